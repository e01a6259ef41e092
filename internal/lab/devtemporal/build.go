// Package devtemporal builds, starts and stops the embedded Temporal server (internal/devserver) for the demo, for
// development and for tests.
//
//	srv, err := devtemporal.Start(ctx, devtemporal.Options{Progress: os.Stderr})
//	if err != nil {
//		return err
//	}
//	defer srv.Stop(context.Background())
//	c, err := client.Dial(srv.ClientOptions())
//
// The server is a module of its own whose first build takes minutes; Build caches the binary in .bin/ and tells
// what it is doing meanwhile. Where TEMPORAL_ADDRESS names a real cluster, FromEnvironment says how to reach it and
// no server needs to be started.
package devtemporal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// BinaryVariable names the environment variable that overrides the server's binary. With it nothing is built.
const BinaryVariable = "VAKHTA_DEVSERVER"

// linkFlags drop the debug tables: 155 MB instead of 218. They stand in the Makefile too; they only concern the
// linker, so that differing flags don't compile anything twice.
const linkFlags = "-s -w"

// Build returns the path of an up-to-date server binary and builds it if need be, which takes minutes the first time:
// progress (may be nil) is told what is going on. Several processes may call it at once: one builds, the
// others wait. The binary is up to date if the digest stored beside it is that of the module's sources.
func Build(ctx context.Context, progress io.Writer) (path string, err error) {
	if given := os.Getenv(BinaryVariable); given != "" {
		return given, checkExecutable(given)
	}
	if progress == nil {
		progress = io.Discard
	}
	root, err := repositoryRoot()
	if err != nil {
		return "", fmt.Errorf("find the embedded Temporal server: %w; run inside the repository, or set %s to a built vakhta-devserver", err, BinaryVariable)
	}
	module := filepath.Join(root, "internal", "devserver")
	path = filepath.Join(root, ".bin", "vakhta-devserver")
	digest, err := sourceDigest(module)
	if err != nil {
		return "", err
	}
	if upToDate(path, digest) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("create folder for binaries: %w", err)
	}
	unlock, err := lockFile(ctx, path+".lock", progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if upToDate(path, digest) {
		return path, nil // the one we waited for built it
	}
	if err := compile(ctx, module, path, progress); err != nil {
		return "", err
	}
	if err := os.WriteFile(path+".digest", []byte(digest+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("note what %s was built from: %w", path, err)
	}
	return path, nil
}

// compile builds the module into path. It builds under another name first: a running server keeps its own file.
func compile(ctx context.Context, module, path string, progress io.Writer) error {
	fresh := path + ".new"
	cmd := exec.CommandContext(ctx, "go", "build", "-C", module, "-v", "-ldflags", linkFlags, "-o", fresh, ".")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := runWithProgress(cmd, progress); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("build the embedded Temporal server: %w; install Go, or set %s to a built vakhta-devserver", err, BinaryVariable)
		}
		return fmt.Errorf("build the embedded Temporal server: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("put the built server in place: %w", err)
	}
	return nil
}

func checkExecutable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%s: %w; unset it to have the server built", BinaryVariable, err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s: %s is not an executable file; unset it to have the server built", BinaryVariable, path)
	}
	return nil
}

func upToDate(path, digest string) bool {
	noted, err := os.ReadFile(path + ".digest")
	if err != nil || strings.TrimSpace(string(noted)) != digest {
		return false
	}
	return checkExecutable(path) == nil
}

// sourceDigest identifies what a build of the module would be made from.
func sourceDigest(module string) (string, error) {
	files := []string{filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum")}
	err := filepath.WalkDir(module, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("list sources of the embedded Temporal server: %w", err)
	}
	slices.Sort(files)
	h := sha256.New()
	fmt.Fprintln(h, runtime.GOOS, runtime.GOARCH, linkFlags)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read source of the embedded Temporal server: %w", err)
		}
		name, _ := filepath.Rel(module, file)
		fmt.Fprintf(h, "%s %d\n", filepath.ToSlash(name), len(content))
		h.Write(content)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// repositoryRoot looks for vakhta's go.mod above the working directory, then above the running binary.
func repositoryRoot() (string, error) {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, dir := range starts {
		for {
			if isRoot(dir) {
				return dir, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", fmt.Errorf("no go.mod of module vakhta above %s", strings.Join(starts, " or "))
}

func isRoot(dir string) bool {
	content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(content)) {
		if strings.TrimSpace(line) == "module vakhta" {
			return true
		}
	}
	return false
}
