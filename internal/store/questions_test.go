package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/incident"
	"vakhta/internal/topology"
)

func lamp(n int) incident.Question {
	return incident.Question{
		Incident: "sw-1-1", Number: n, Component: "srv-1", Probe: topology.ProbePSU, Peer: "pdu-b", Site: "msk", Team: "crew",
		AskedBy: "vakhta", AskedAt: at(time.Duration(n) * time.Minute), Deadline: at(time.Hour),
	}
}

func TestTheFirstAnswerToAQuestionStays(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		asked, err := st.PutQuestion(ctx, lamp(1))
		require.NoError(t, err)
		require.Equal(t, "sw-1-1/1", asked.ID)
		require.True(t, asked.Open())

		q, first, err := st.AnswerQuestion(ctx, asked.ID, incident.Reply{Answer: incident.No, By: "petr", Via: "telegram", Note: "dark", At: at(time.Minute)})
		require.NoError(t, err)
		require.True(t, first)
		require.Equal(t, incident.Answered, q.State)
		again, first, err := st.AnswerQuestion(ctx, asked.ID, incident.Reply{Answer: incident.Yes, By: "olga", Via: "call", At: at(2 * time.Minute)})
		require.NoError(t, err)
		require.False(t, first)
		require.Equal(t, q, again)

		// Neither a deadline nor a repeat of the asking takes it back.
		late, err := st.SetQuestion(ctx, asked.ID, incident.Overdue)
		require.NoError(t, err)
		require.Equal(t, q, late)
		repeated, err := st.PutQuestion(ctx, lamp(1))
		require.NoError(t, err)
		require.Equal(t, q, repeated)
		read, err := st.Question(ctx, asked.ID)
		require.NoError(t, err)
		require.Equal(t, q, read)
	})
}

func TestAnOverdueQuestionTakesAnAnswerAndAWithdrawnOneDoesNot(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		for state, takes := range map[incident.QuestionState]bool{incident.Overdue: true, incident.Withdrawn: false, incident.Unheard: false} {
			q := lamp(1)
			q.Incident = string(state)
			q, err := st.PutQuestion(ctx, q)
			require.NoError(t, err)
			_, err = st.SetQuestion(ctx, q.ID, state)
			require.NoError(t, err)
			q, first, err := st.AnswerQuestion(ctx, q.ID, incident.Reply{Answer: incident.Yes, By: "petr", At: t0})
			require.NoError(t, err)
			require.Equal(t, takes, first, state)
			require.Equal(t, takes, q.Answer == incident.Yes, state)
		}
	})
}

func TestQuestionsAreListed(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		for n := range 3 {
			_, err := st.PutQuestion(ctx, lamp(n+1))
			require.NoError(t, err)
		}
		_, err := st.SetQuestion(ctx, "sw-1-1/3", incident.Withdrawn)
		require.NoError(t, err)
		_, err = st.SetQuestion(ctx, "sw-1-1/2", incident.Overdue)
		require.NoError(t, err)
		open, err := st.Questions(ctx, QuestionFilter{Incident: "sw-1-1", Site: "msk", Open: true})
		require.NoError(t, err)
		require.Len(t, open, 2)
		require.Equal(t, []string{"sw-1-1/2", "sw-1-1/1"}, []string{open[0].ID, open[1].ID})
		all, err := st.Questions(ctx, QuestionFilter{Limit: 5})
		require.NoError(t, err)
		require.Len(t, all, 3)
		other, err := st.Questions(ctx, QuestionFilter{Incident: "other"})
		require.NoError(t, err)
		require.Empty(t, other)

		_, _, err = st.AnswerQuestion(ctx, "sw-1-1/1", incident.Reply{Answer: incident.No, By: "petr", At: at(time.Hour)})
		require.NoError(t, err)
		for since, want := range map[time.Duration]int{time.Minute: 1, time.Hour: 1, time.Hour + time.Second: 0} {
			answered, err := st.Questions(ctx, QuestionFilter{Site: "msk", AnsweredSince: at(since)})
			require.NoError(t, err)
			require.Len(t, answered, want, since)
		}
	})
}

func TestAQuestionThatIsNoneIsRefused(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		_, _, err := st.AnswerQuestion(t.Context(), "sw-1-1/9", incident.Reply{Answer: incident.Yes, By: "petr"})
		require.ErrorIs(t, err, ErrNotFound)
		_, _, err = st.AnswerQuestion(t.Context(), "sw-1-1/9", incident.Reply{Answer: "perhaps", By: "petr"})
		require.ErrorContains(t, err, "perhaps")
		_, err = st.Question(t.Context(), "sw-1-1/9")
		require.ErrorIs(t, err, ErrNotFound)
	})
}
