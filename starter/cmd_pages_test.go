package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vakhta/internal/htpasswd"
)

func TestALineForThePagesIsMade(t *testing.T) {
	line := func(name, password string) (string, error) {
		cmd := newPagesCommand()
		var out bytes.Buffer
		cmd.SetIn(strings.NewReader(password))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs([]string{"password", name})
		cmd.SilenceUsage = true
		err := cmd.Execute()
		return out.String(), err
	}
	made, err := line("ivan", "correct horse battery\nnot this\n")
	require.NoError(t, err)
	require.NotContains(t, made, "horse")
	people, err := htpasswd.Parse(made)
	require.NoError(t, err)
	require.Equal(t, []string{"ivan"}, people.Names())
	_, err = line("ivan", "short")
	require.Equal(t, exitRefused, exitCode(err))
}
