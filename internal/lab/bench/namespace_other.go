//go:build !linux

package main

import (
	"context"
	"errors"

	"vakhta/internal/lab/figure"
)

const insideFlag, servicesFlag = "inside", "services"

var errLinux = errors.New("the whole estate is measured in a network namespace, which only Linux has; -only client needs none")

func inNamespace(context.Context, int, bool) ([]figure.Figure, error) { return nil, errLinux }

func configure(context.Context, []string) error { return errLinux }
