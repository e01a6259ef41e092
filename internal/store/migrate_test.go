package store

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/incident"
)

func TestMigrationsHaveAWayBack(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		st := open()
		p, err := st.provider()
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, st.Migrate(t.Context()))
			enqueue(t, st, "a") // the schema is whole
			_, err = p.DownTo(t.Context(), 0)
			require.NoError(t, err)
			_, err = st.Notifications(t.Context(), NotificationFilter{})
			require.Error(t, err, "nothing is left")
		}
		require.NoError(t, st.Migrate(t.Context()))
		require.NoError(t, st.Migrate(t.Context()), "up to date: nothing to do")
	})
}

func TestProcessesMayMigrateAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		var group errgroup.Group
		for range 4 {
			st := open()
			group.Go(func() error { return st.Migrate(t.Context()) })
		}
		require.NoError(t, group.Wait())
		enqueue(t, open(), "a")
	})
}

func TestTheTimelineIsAppendOnlyWhoeverAsks(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		require.NoError(t, st.Append(ctx, []incident.Entry{{Key: "k", Subject: "incident/a-1", At: t0, Kind: "opened", Text: "Incident opened"}}))
		statements := []string{`UPDATE timeline SET body = 'another story'`, `DELETE FROM timeline`}
		if st.dialect.name == postgresDialect.name {
			statements = append(statements, `TRUNCATE timeline`)
		}
		for _, statement := range statements {
			_, err := st.writer.ExecContext(ctx, statement)
			require.ErrorContains(t, err, "append-only", statement)
		}
		lines, err := st.Timeline(ctx, "incident/a-1", 0, 0)
		require.NoError(t, err)
		require.Len(t, lines, 1)
		require.Equal(t, "Incident opened", lines[0].Text)
	})
}

func TestOpenSaysWhatAnAddressLooksLike(t *testing.T) {
	for _, dsn := range []string{"", "vakhta.db", "sqlite:", "mysql://u:hunter2@h/d", "postgres://u:hunter2@[::1/d", "postgres://u:hunter2@127.0.0.1:1/d?connect_timeout=1"} {
		st, err := Open(t.Context(), dsn)
		require.Error(t, err, dsn)
		require.Nil(t, st)
		require.NotContains(t, err.Error(), "hunter2")
		require.True(t, strings.Contains(err.Error(), "postgres://") || strings.Contains(err.Error(), "is it running"), err.Error())
	}
	_, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/no/such/folder/vakhta.db")
	require.ErrorContains(t, err, "may this user write there")
}

func TestMemoryIsADatabaseToo(t *testing.T) {
	st := opener(t, "sqlite::memory:")()
	require.NoError(t, st.Migrate(t.Context()))
	id := enqueue(t, st, "a")[0]
	n := claimOne(t, st, id, t0)
	require.NoError(t, st.Settle(t.Context(), id, n.LeaseToken, accepted("SM1"), t0))
}
