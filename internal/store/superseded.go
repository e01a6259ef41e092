package store

import (
	"context"
	"fmt"
	"strings"

	"vakhta/internal/ledger"
)

// Superseded reports whether the contact was told something newer instead of
// the notification: a later revision of the same sending, or, of planned work,
// anything about a later revision of the work. What was dropped told nobody.
func (s *Store) Superseded(ctx context.Context, n ledger.Notification) (bool, error) {
	w := where{}
	w.add("subject = ? AND contact = ? AND revision > ? AND state <> 'dropped'", n.Subject, n.Contact, n.Revision)
	if !strings.HasPrefix(n.Subject, "maintenance/") {
		w.add("step = ?", n.Step)
	}
	var is bool
	if err := s.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM notification`+w.String()+`)`, w.args...).Scan(&is); err != nil {
		return false, fmt.Errorf("look whether notification %s is superseded: %w", n.ID, err)
	}
	return is, nil
}
