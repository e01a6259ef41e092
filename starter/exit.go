package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
)

// Exit codes; the root command's help lists them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitUnavailable = 5
)

// exitError is an error that knows its exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &exitError{exitNotFound, fmt.Errorf(format, args...)}
}

func refused(format string, args ...any) error {
	return &exitError{exitRefused, fmt.Errorf(format, args...)}
}

func unavailable(format string, args ...any) error {
	return &exitError{exitUnavailable, fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	var known *exitError
	if errors.As(err, &known) {
		return known.code
	}
	return exitFailure
}

// explain gives an error of Temporal's its exit code and its remedy. What
// names the thing that was asked for.
func (a *app) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	var (
		missing  *serviceerror.NotFound
		absent   *serviceerror.NamespaceNotFound
		away     *serviceerror.Unavailable
		late     *serviceerror.DeadlineExceeded
		invalid  *serviceerror.InvalidArgument
		refusal  *temporal.ApplicationError
		noAnswer *serviceerror.QueryFailed
	)
	var (
		cancelled *temporal.CanceledError
		ended     *temporal.TerminatedError
	)
	switch {
	case errors.As(err, &cancelled), errors.As(err, &ended):
		return refused("%s: somebody cancelled it in Temporal before it was done; begin it again", what)
	case errors.As(err, &absent):
		return unavailable("namespace %q is not at %s: set TEMPORAL_NAMESPACE or --namespace", a.temporalNamespace, a.temporalAddress)
	case errors.As(err, &missing) && strings.Contains(missing.Message, "already completed"):
		return refused("%s: its workflow is over; it takes no more changes", what)
	case errors.As(err, &missing):
		return notFound("%s: not found; it is unknown, or closed longer ago than Temporal remembers", what)
	case errors.As(err, &refusal):
		return refused("%s: %s", what, refusal.Message())
	case errors.As(err, &invalid):
		return refused("%s: %s", what, invalid.Message)
	case errors.As(err, &noAnswer):
		return fmt.Errorf("%s: %s", what, noAnswer.Message)
	case errors.As(err, &late), errors.Is(err, context.DeadlineExceeded):
		return unavailable("%s: no answer in time; is a worker running on queue runbooks? (`vakhta dev` starts one)", what)
	case errors.As(err, &away):
		return unavailable("cannot reach Temporal at %s: start it with `vakhta dev` or set TEMPORAL_ADDRESS", a.temporalAddress)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// noArgs and exactArgs are cobra's, with our exit code and the missing argument's name.
func noArgs(cmd *cobra.Command, args []string) error { return exactArgs(0)(cmd, args) }

func exactArgs(n int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		if len(args) < n {
			return usageError("%s is missing; see %s --help", names[len(args)], cmd.CommandPath())
		}
		return usageError("unexpected argument %q; see %s --help", args[n], cmd.CommandPath())
	}
}

// aCommand is for commands that only hold others.
func aCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // "incdent" is near enough to "incident", "lnit" to "lint"
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 {
		return usageError("unknown command %q; see %s --help", args[0], cmd.CommandPath())
	}
	return usageError("unknown command %q; did you mean %s?", args[0], strings.Join(near, ", "))
}
