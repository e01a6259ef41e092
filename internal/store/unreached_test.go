package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhomASendingDidNotReachIsKeptOnce(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		missed := func(revision, from, to int) (all []Unreached) {
			for i := from; i < to; i++ {
				all = append(all, Unreached{Step: "update", Revision: revision, Contact: fmt.Sprintf("c%04d-duty", i), Client: fmt.Sprintf("c%04d", i), At: at(time.Minute)})
			}
			return all
		}
		n, err := st.PutUnreached(ctx, "incident/i", missed(1, 0, 1500))
		require.NoError(t, err)
		require.Equal(t, 1500, n)
		n, err = st.PutUnreached(ctx, "incident/i", missed(1, 1490, 1510)) // the next rung names most of them anew
		require.NoError(t, err)
		require.Equal(t, 1510, n)
		n, err = st.PutUnreached(ctx, "incident/i", missed(2, 0, 1))
		require.NoError(t, err)
		require.Equal(t, 1, n)

		one, err := st.Unreached(ctx, "incident/i", "update", 2)
		require.NoError(t, err)
		require.Equal(t, missed(2, 0, 1), one)
		all, err := st.Unreached(ctx, "incident/i", "", -1)
		require.NoError(t, err)
		require.Len(t, all, 1511)
		none, err := st.Unreached(ctx, "incident/j", "", -1)
		require.NoError(t, err)
		require.Empty(t, none)
	})
}
