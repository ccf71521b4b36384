// Command pulumi-resource-kubernetes is the official Kubernetes provider of Pulumi, built from its module.
//
// The module's own command is not used: it embeds a schema that a build step of its repository makes. A program in
// Python brings its types along, so that a schema of a name and a version is enough for it.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

func main() {
	schema := fmt.Appendf(nil, `{"name":"kubernetes","version":%q}`, version.Version)
	provider.Serve("kubernetes", version.Version, schema, []byte("{}"))
}
