"""Policy as code: what `pulumi preview` and `pulumi up` refuse, in an environment of its own."""
