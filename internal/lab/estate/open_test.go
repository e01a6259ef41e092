package estate

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where an estate holds a base, another never comes to try its addresses: it
// would listen, for a moment, where a machine is switched off.
func TestAnEstateHoldsItsBaseAgainstAnother(t *testing.T) {
	first, err := Open(t.Context(), Options{BasePort: 24000})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, first.Close()) })
	_, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first.Options().BasePort))
	require.True(t, errors.Is(err, syscall.EADDRINUSE), "%v", err)
}
