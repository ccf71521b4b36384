"""A real Kubernetes control plane on this machine: etcd, API server, controllers, scheduler, simulated nodes.

    with pod_network() as network, control_plane(directory, network=network) as plane:
        plane.kubectl("get", "nodes")

It needs no container runtime. Every part is the real program but for the nodes: kwok plays their kubelets, so pods are
scheduled, get an address and become ready. With `Pods` the programs that are built here run in them, and stand-ins for
all others; without, no container ever runs. So it does not prove that an image starts, that network policies are
enforced (there is no network plugin), or that a container may do what it does.

- `plane`: starts the parts, and is what tests hold;
- `access`: certificates, tokens, kubeconfig;
- `nodes`: the simulated nodes and volumes;
- `network`: where the pods' addresses live;
- `pods`: what runs in the pods, by `sandbox` (one pod), `containers`, `volumes`, `stand_ins` and `mirror`;
- `children`: processes that end with this one, however it ends.
"""
