// Command pulumi-language-python is a stand-in for Pulumi's host of Python programs, which is on no registry.
//
// It speaks the LanguageRuntime protocol: the engine starts it, reads its port from the first line of output, and
// asks it to run the program. It finds the program's interpreter, and lists its packages, with Pulumi's own code
// (sdk/python/toolchain), and starts Pulumi's own `pulumi-language-python-exec`, which must lie beside it. Of
// Pulumi.yaml's runtime options it honours `toolchain`, `virtualenv` and `typechecker`. A policy pack is started
// likewise, in the environment that its PulumiPolicy.yaml names.
//
// What it does not prove: that the official host asks for the right provider plugins (this one asks for none, the
// engine then looks for what resources name), installs dependencies, warns of an old Python, or attaches a debugger;
// and that it does in every detail what was seen of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// errorShown is the status with which the script ends when the program failed and the user has been told why.
const errorShown = 32

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	if binary, err = filepath.EvalSymlinks(binary); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	pulumirpc.RegisterLanguageRuntimeServer(server, &host{engine: os.Args[len(os.Args)-1], script: binary + "-exec"})
	go func() {
		// The engine holds the other end of standard input: when it ends, even if it was killed, so does the program.
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return server.Serve(listener)
}

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
	script string
}

// GetPluginInfo says which version is stood in for.
func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// GetRequiredPackages names none: the engine starts the plugins that the program's resources name.
func (h *host) GetRequiredPackages(
	context.Context, *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

// Run checks the program's types, if Pulumi.yaml asks for it, and runs it to its end.
func (h *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	python, checker, err := resolve(ctx, request.Info)
	if err != nil {
		return nil, err
	}
	if checker != "" {
		if err := check(ctx, python, checker, request.Info.ProgramDirectory); err != nil {
			return nil, err
		}
	}
	program, err := python.Command(ctx, append([]string{h.script}, h.arguments(request)...)...)
	if err != nil {
		return nil, err
	}
	if program.Env, err = environment(program, request); err != nil {
		return nil, err
	}
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	return outcome(program.Run()), nil
}

// RunPlugin runs a policy pack until the engine is done with it. The first line that it writes is its port.
func (h *host) RunPlugin(
	request *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer,
) error {
	python, _, err := resolve(stream.Context(), request.Info)
	if err != nil {
		return err
	}
	environment, err := python.VirtualEnvPath(stream.Context())
	if err != nil {
		return err
	}
	// Unbuffered, as the engine waits for that line.
	arguments := append([]string{"-u", request.Info.ProgramDirectory}, request.Args...)
	pack, err := python.Command(stream.Context(), arguments...)
	if err != nil {
		return err
	}
	closer, output, _, err := rpcutil.MakeRunPluginStreams(stream, false)
	if err != nil {
		return err
	}
	pack.Dir, pack.Env = request.Pwd, toolchain.ActivateVirtualEnv(request.Env, environment)
	pack.Stdout, pack.Stderr = output, os.Stderr // only one of them on the stream, which takes no two writers
	failed := pack.Run()
	var exit *exec.ExitError
	if errors.As(failed, &exit) && exit.Exited() {
		failed = stream.Send(&pulumirpc.RunPluginResponse{
			Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(exit.ExitCode())},
		})
	}
	return errors.Join(failed, closer.Close())
}

// outcome tells the engine how the program ended.
func outcome(err error) *pulumirpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case !errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program could not be started: %v", err)}
	case exit.ExitCode() == errorShown:
		return &pulumirpc.RunResponse{Bail: true}
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode())}
	}
}

// arguments of the script.
func (h *host) arguments(request *pulumirpc.RunRequest) []string {
	arguments := []string{
		"--monitor", request.MonitorAddress,
		"--engine", h.engine,
		"--project", request.Project,
		"--stack", request.Stack,
		"--root_directory", request.Info.RootDirectory,
		"--pwd", request.Pwd,
		"--dry_run", strconv.FormatBool(request.DryRun),
		"--parallel", strconv.Itoa(int(request.Parallel)),
	}
	if request.Organization != "" {
		arguments = append(arguments, "--organization", request.Organization)
	}
	return append(append(arguments, request.Info.EntryPoint), request.Args...)
}

// environment of the script: the configuration, secrets too, is in it and on no command line.
func environment(program *exec.Cmd, request *pulumirpc.RunRequest) ([]string, error) {
	// Where there is none of them, {} and [], not the null of what was never made.
	configuration, secretKeys := map[string]string{}, append([]string{}, request.ConfigSecretKeys...)
	maps.Copy(configuration, request.Config)
	text, err1 := json.Marshal(configuration)
	keys, err2 := json.Marshal(secretKeys)
	variables := []string{"PULUMI_CONFIG=" + string(text), "PULUMI_CONFIG_SECRET_KEYS=" + string(keys)}
	return append(program.Environ(), variables...), errors.Join(err1, err2)
}

// resolve finds the Python that Pulumi.yaml or PulumiPolicy.yaml asks for, and the name of its type checker.
func resolve(ctx context.Context, info *pulumirpc.ProgramInfo) (toolchain.Toolchain, string, error) {
	options, checker, err := read(info)
	if err != nil {
		return nil, "", err
	}
	python, err := toolchain.ResolveToolchain(options)
	if err != nil {
		return nil, "", err
	}
	return python, checker, python.ValidateVenv(ctx)
}

// read understands Pulumi.yaml's runtime options, and returns the name of the type checker apart.
func read(info *pulumirpc.ProgramInfo) (toolchain.PythonOptions, string, error) {
	options := toolchain.PythonOptions{Root: info.RootDirectory, ProgramDir: info.ProgramDirectory}
	text := func(key string) string { return info.Options.GetFields()[key].GetStringValue() }
	options.Virtualenv = text("virtualenv")
	switch name := text("toolchain"); strings.ToLower(name) {
	case "":
		options.Toolchain = toolchain.Auto
	case "pip":
		options.Toolchain = toolchain.Pip
	case "poetry":
		options.Toolchain = toolchain.Poetry
	case "uv":
		options.Toolchain = toolchain.Uv
	default:
		return options, "", fmt.Errorf("unsupported toolchain option: %s", name)
	}
	checker := strings.ToLower(text("typechecker"))
	if !slices.Contains([]string{"", "mypy", "pyright"}, checker) {
		return options, "", fmt.Errorf("unsupported typechecker option: %s", checker)
	}
	return options, checker, nil
}

// check runs the type checker over the whole program directory; mypy leaves out the virtual environment.
func check(ctx context.Context, python toolchain.Toolchain, checker, directory string) error {
	installed, err := python.ListPackages(ctx, true)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(installed, func(item plugin.DependencyInfo) bool { return item.Name == checker }) {
		return fmt.Errorf(
			"The typechecker option is set to %s, but %s is not installed. Please add an entry for %s to requirements.txt",
			checker, checker, checker,
		)
	}
	var arguments []string
	if checker == "mypy" {
		environment, err := python.VirtualEnvPath(ctx)
		if err != nil {
			return err
		}
		if environment, err = filepath.Rel(directory, environment); err != nil {
			return err
		}
		arguments = append(arguments, "--exclude", environment)
	}
	command, err := python.ModuleCommand(ctx, checker, append(arguments, directory)...)
	if err != nil {
		return err
	}
	command.Dir, command.Stdout, command.Stderr = directory, os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s failed: %w", checker, err)
	}
	return nil
}
