package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"vakhta/internal/lab/figure"
)

// These mark the runs within the namespace.
const insideFlag, servicesFlag = "inside", "services"

// inNamespace runs this program again in a network namespace of its own, where
// every address of 127.0.0.0/8 answers ping: 100,000 machines, without a packet
// on any network that others use.
func inNamespace(ctx context.Context, runs int, services bool) ([]figure.Figure, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the whole estate needs root, for a network namespace of its own; -only client needs none")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-"+insideFlag, "-runs", strconv.Itoa(runs), fmt.Sprintf("-%s=%v", servicesFlag, services))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	ran := cmd.Run()
	var figures []figure.Figure
	for lines := json.NewDecoder(&out); lines.More(); {
		var f figure.Figure
		if err := lines.Decode(&f); err != nil {
			return figures, fmt.Errorf("read what the run within the namespace measured: %w", err)
		}
		figures = append(figures, f)
	}
	if len(figures) == 0 && ran != nil {
		return nil, fmt.Errorf("run within a namespace: %w", ran)
	}
	return figures, nil
}

// configure brings the namespace up and makes addresses silent: their echo
// requests are dropped where they arrive.
func configure(ctx context.Context, silent []string) error {
	for _, args := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647"},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
	}
	var rules bytes.Buffer
	rules.WriteString("table ip bench {\n set silent { type ipv4_addr; elements = {\n")
	for i, address := range silent {
		if i > 0 {
			rules.WriteString(",\n")
		}
		rules.WriteString(address)
	}
	rules.WriteString("} }\n chain in { type filter hook input priority 0; policy accept; ip daddr @silent drop; }\n}\n")
	nft := exec.CommandContext(ctx, "nft", "-f", "-")
	nft.Stdin = &rules
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s; Debian has it in the package nftables", err, out)
	}
	return nil
}
