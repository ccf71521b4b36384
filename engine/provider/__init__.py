"""Stand-ins for the kubernetes and aws providers: plugins that the real Pulumi engine starts instead of the real ones.

They speak the provider protocol and keep every object as one file in a directory, the rehearsal's "cluster",
readable by its owner only. They answer as a cluster would where a program's mistakes show: an object that exists
already, a namespace or custom resource definition that does not exist yet, a field that cannot be changed in place.

What they do not prove: nothing validates an object's fields as an API server does, no admission webhook and no
controller sees it, no chart is rendered (a Helm release is recorded with its values), and AWS answers with
plausible names for a made-up account.
"""
