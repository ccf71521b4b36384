"""Does a deployed stack work? `pulumi up` only says that Kubernetes accepted it; this asks the running parts."""
