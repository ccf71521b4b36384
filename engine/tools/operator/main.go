// Command operatorconfig prints the Prometheus configuration that prometheus-operator would mount.
//
// It reads one JSON document from standard input:
//
//	{"prometheus": <Prometheus>, "serviceMonitors": [...], "podMonitors": [...], "probes": [...]}
//
// and runs the operator's own selection, validation and generation on it. There is no cluster: an object that
// refers to a Secret or ConfigMap is rejected as if that were missing, and of the custom resource definitions'
// schemas only the defaults below are applied.
// An object that the operator would pass over without a word (no selector matches its labels and namespace) or
// reject is an error here, and so is a field that the operator does not know.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus-operator/prometheus-operator/pkg/assets"
	"github.com/prometheus-operator/prometheus-operator/pkg/operator"
	prompkg "github.com/prometheus-operator/prometheus-operator/pkg/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
)

type document struct {
	Prometheus      monitoringv1.Prometheus        `json:"prometheus"`
	ServiceMonitors []*monitoringv1.ServiceMonitor `json:"serviceMonitors"`
	PodMonitors     []*monitoringv1.PodMonitor     `json:"podMonitors"`
	Probes          []*monitoringv1.Probe          `json:"probes"`
}

func main() {
	configuration, err := generate(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(configuration)
}

func generate(input io.Reader) ([]byte, error) {
	var doc document
	decoder := json.NewDecoder(input)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("reading the objects: %w", err)
	}
	if doc.Prometheus.Namespace == "" {
		return nil, errors.New(`reading the objects: "prometheus" is missing or has no namespace`)
	}
	applyDefaults(&doc)

	logger, core := slog.New(slog.DiscardHandler), fake.NewClientset().CoreV1()
	store := assets.NewStoreBuilder(core, core)
	namespaces := cache.NewSharedIndexInformer(&cache.ListWatch{}, &corev1.Namespace{}, 0, cache.Indexers{})
	events := operator.NewFakeRecorder(len(doc.ServiceMonitors)+len(doc.PodMonitors)+len(doc.Probes), &doc.Prometheus)
	metrics := operator.NewMetrics(prometheus.NewRegistry())
	selector, err := prompkg.NewResourceSelector(logger, &doc.Prometheus, store, namespaces, metrics, events)
	if err != nil {
		return nil, err
	}
	serviceMonitors, err1 := selected("ServiceMonitor", doc.ServiceMonitors, namespaces, selector.SelectServiceMonitors)
	podMonitors, err2 := selected("PodMonitor", doc.PodMonitors, namespaces, selector.SelectPodMonitors)
	probes, err3 := selected("Probe", doc.Probes, namespaces, selector.SelectProbes)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}

	generator, err := prompkg.NewConfigGenerator(logger, &doc.Prometheus, prompkg.WithEndpointSliceSupport())
	if err != nil {
		return nil, err
	}
	return generator.GenerateServerConfiguration(
		&doc.Prometheus, serviceMonitors, podMonitors, probes, nil, store, nil, nil, nil, nil,
	)
}

// applyDefaults fills in what the API server would from the custom resource definitions, as far as it matters here.
func applyDefaults(doc *document) {
	spec := &doc.Prometheus.Spec
	spec.ScrapeInterval = cmp.Or(spec.ScrapeInterval, "30s")
	spec.EvaluationInterval = cmp.Or(spec.EvaluationInterval, "30s")
	for _, probe := range doc.Probes {
		probe.Spec.ProberSpec.Path = cmp.Or(probe.Spec.ProberSpec.Path, "/probe")
	}
}

// selected returns the objects by namespace/name, or an error that names every one the operator would leave out.
func selected[T interface {
	operator.ConfigurationResource
	metav1.Object
}](
	kind string,
	objects []T,
	namespaces cache.SharedIndexInformer,
	choose func(context.Context, prompkg.ListAllByNamespaceFn) (operator.TypedResourcesSelection[T], error),
) (map[string]T, error) {
	index := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, object := range objects {
		// The one label that Kubernetes itself gives a namespace.
		meta := metav1.ObjectMeta{Name: object.GetNamespace(), Labels: map[string]string{corev1.LabelMetadataName: object.GetNamespace()}}
		if err := errors.Join(index.Add(object), namespaces.GetStore().Add(&corev1.Namespace{ObjectMeta: meta})); err != nil {
			return nil, err
		}
	}
	selection, err := choose(context.Background(), func(namespace string, labels labels.Selector, add cache.AppendFunc) error {
		return cache.ListAllByNamespace(index, namespace, labels, add)
	})
	if err != nil {
		return nil, err
	}
	var left []error
	for _, object := range objects {
		key := object.GetNamespace() + "/" + object.GetName()
		if resource, ok := selection[key]; !ok {
			left = append(left, fmt.Errorf("%s %s: no selector of the Prometheus object matches its labels and namespace", kind, key))
		} else if accepted := resource.Conditions()[0]; accepted.Status != monitoringv1.ConditionTrue {
			left = append(left, fmt.Errorf("%s %s: rejected by the operator: %s", kind, key, accepted.Message))
		}
	}
	return selection.ValidResources(), errors.Join(left...)
}
