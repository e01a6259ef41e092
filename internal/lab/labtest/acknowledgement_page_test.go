package labtest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"vakhta/internal/acklink"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
)

// Mail scanners follow links: opening the page of a message acknowledges
// nothing, pressing its button does.
func TestOpeningTheAcknowledgementPageIsNoAcknowledgement(t *testing.T) {
	s := labtest.Shared(t)
	server := s.Estate.Inventory().ServersOf("foto")[0]
	outage := s.Outage(server, estate.Off, "foto-tech")
	require.NoError(t, outage.Play(t.Context()))

	page := pageTo(t, s, outage, "ivan")
	signer, err := acklink.NewSigner(s.Secret(t, "link"))
	require.NoError(t, err)
	link := "/a/" + signer.Sign(page.ID, page.Contact)
	for range 3 {
		require.Equal(t, http.StatusOK, s.Get(t, link).Code)
	}
	require.Empty(t, read(t, s, page.ID).AcknowledgedVia, "GET acknowledged")

	require.Equal(t, http.StatusSeeOther, s.Post(t, link, "", "").Code)
	acknowledged := read(t, s, page.ID)
	require.Equal(t, "page", acknowledged.AcknowledgedVia)
	require.Equal(t, http.StatusSeeOther, s.Post(t, link, "", "").Code)
	require.Equal(t, acknowledged.AcknowledgedAt, read(t, s, page.ID).AcknowledgedAt, "the first one stands")

	forged := "/a/" + signer.Sign(page.ID, "petr")
	require.NotEqual(t, http.StatusSeeOther, s.Post(t, forged, "", "").Code)
}

// pageTo is the page to an engineer that nobody acknowledged: the messenger's.
func pageTo(t *testing.T, s *labtest.Lab, o *labtest.Outage, contact string) ledger.Notification {
	t.Helper()
	rows, err := s.Store.Notifications(t.Context(), store.NotificationFilter{Subject: "incident/" + o.Incident, Contact: contact, Event: "page"})
	require.NoError(t, err)
	for _, n := range rows {
		if n.AcknowledgedAt.IsZero() {
			return n
		}
	}
	t.Fatalf("%s was not paged without acknowledging", contact)
	return ledger.Notification{}
}

func read(t *testing.T, s *labtest.Lab, id string) ledger.Notification {
	t.Helper()
	n, err := s.Store.Notification(t.Context(), id)
	require.NoError(t, err)
	return n
}
