package labtest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/labtest"
)

// The audit that the other tests trust notices a doubled message, one that
// nobody ordered, one about another client's machine, and a lost one.
func TestTheAuditNoticesWhatMustNeverBe(t *testing.T) {
	s := labtest.Open(t)
	began := time.Now()
	const contact = "shkola-tech"
	report, err := s.Cry(t.Context(), contact, labtest.CryText)
	require.NoError(t, err)
	answer, err := s.AwaitAnswer(t.Context(), report)
	require.NoError(t, err)
	require.Equal(t, "healthy", answer.Kind)
	s.Await(t, "the answer to reach the client", func() (bool, error) { return len(s.Inbox(contact, began)) >= 2, nil })
	s.Await(t, "the ledger to know it", func() (bool, error) { return s.Audit(t.Context()) == nil, nil })

	send := func(text string) {
		t.Helper()
		resp, err := http.PostForm(s.SandboxURL+"/bot"+s.Secret(t, "telegram")+"/sendMessage", url.Values{
			"chat_id": {s.Contact(contact).Addresses[inventory.Telegram]}, "text": {text},
		})
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	send(s.Inbox(contact, began)[0].Text)
	require.ErrorContains(t, s.Audit(t.Context()), "doubled")
	send("Здравствуйте, это не мы")
	require.ErrorContains(t, s.Audit(t.Context()), "does not hold")
	send("Не отвечает " + s.Estate.Inventory().ServersOf("acme")[0])
	require.ErrorContains(t, s.Audit(t.Context()), "which is acme's")
	s.Sandbox.ClearInbox()
	require.ErrorContains(t, s.Audit(t.Context()), "lost")
}
