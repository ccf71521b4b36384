// Command networkpolicies says which connections a set of network policies lets through.
//
// It reads one JSON document from standard input:
//
//	{"namespaces": [...], "pods": [...], "policies": [...],
//	 "connections": [{"from": "10.0.0.1", "to": "10.0.0.2", "port": 9093, "protocol": "TCP"}, ...]}
//
// of Kubernetes objects and addresses, and prints a list with true or false for each connection. The verdicts are those
// of the engine of kube-network-policies, which enforces policies on nodes, and which kind's network is built on. What
// it needs a node for is left out: addresses are given, not seen, and no packet is sent. An address that no pod has
// is outside the cluster, or a node's.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/kube-network-policies/pkg/api"
	"sigs.k8s.io/kube-network-policies/pkg/network"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

type connection struct {
	From     string          `json:"from"`
	To       string          `json:"to"`
	Port     int             `json:"port"`
	Protocol corev1.Protocol `json:"protocol"`
}

type document struct {
	Namespaces  []*corev1.Namespace           `json:"namespaces"`
	Pods        []*corev1.Pod                 `json:"pods"`
	Policies    []*networkingv1.NetworkPolicy `json:"policies"`
	Connections []connection                  `json:"connections"`
}

// podsByAddress finds a pod as the engine's own look-up does: a pod in its node's network has no address of its own.
type podsByAddress map[string]*api.PodInfo

func (pods podsByAddress) GetPodInfoByIP(address string) (*api.PodInfo, bool) {
	pod, found := pods[address]
	return pod, found
}

// sourcePort is one that no policy names: it belongs to the client.
const sourcePort = 52000

func main() {
	verdicts, err := judge(os.Stdin)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(verdicts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "networkpolicies:", err)
		os.Exit(1)
	}
}

func judge(input io.Reader) ([]bool, error) {
	var given document
	decoder := json.NewDecoder(input)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	namespaces, pods := factory.Core().V1().Namespaces(), factory.Core().V1().Pods()
	policies := factory.Networking().V1().NetworkPolicies()
	evaluator := networkpolicy.NewStandardNetworkPolicy("", namespaces, pods, policies)

	labels := map[string]map[string]string{}
	for _, namespace := range given.Namespaces {
		labels[namespace.Name] = namespace.Labels
		if err := namespaces.Informer().GetIndexer().Add(namespace); err != nil {
			return nil, err
		}
	}
	addresses := podsByAddress{}
	for _, pod := range given.Pods {
		if _, known := labels[pod.Namespace]; !known {
			return nil, fmt.Errorf("the pod %s is in the namespace %q, which is not given", pod.Name, pod.Namespace)
		}
		if err := pods.Informer().GetIndexer().Add(pod); err != nil {
			return nil, err
		}
		for _, address := range pod.Status.PodIPs {
			if !pod.Spec.HostNetwork {
				addresses[address.IP] = api.NewPodInfo(pod, labels[pod.Namespace], nil, "")
			}
		}
	}
	for _, policy := range given.Policies {
		// An empty list is nothing to the API server, which stores none: the engine, which sees only what is stored,
		// would take it for everything.
		if len(policy.Spec.Ingress) == 0 {
			policy.Spec.Ingress = nil
		}
		if len(policy.Spec.Egress) == 0 {
			policy.Spec.Egress = nil
		}
		if err := policies.Informer().GetIndexer().Add(policy); err != nil {
			return nil, err
		}
	}

	engine := networkpolicy.NewPolicyEngine(addresses, []api.PolicyEvaluator{evaluator})
	verdicts := make([]bool, 0, len(given.Connections))
	for _, asked := range given.Connections {
		from, to := net.ParseIP(asked.From), net.ParseIP(asked.To)
		if from == nil || to == nil {
			return nil, fmt.Errorf("no address: %q to %q", asked.From, asked.To)
		}
		packet := &network.Packet{
			Family: corev1.IPv4Protocol, Proto: asked.Protocol,
			SrcIP: from, DstIP: to, SrcPort: sourcePort, DstPort: asked.Port,
		}
		allowed, err := engine.EvaluatePacket(context.Background(), packet)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, allowed)
	}
	return verdicts, nil
}
