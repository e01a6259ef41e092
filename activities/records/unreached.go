package records

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"vakhta/internal/store"
)

// fewNames is how many of those whom no channel reaches are named to a
// workflow: the store has them all, and a history must not grow with an audience.
const fewNames = 20

// keepUnreached writes those whom a sending can't reach into the store, and
// leaves a few names and the count.
func (a *Activities) keepUnreached(ctx context.Context, subject, step string, revision int, out *Composed) error {
	rows := make([]store.Unreached, len(out.Unreachable))
	for i, id := range out.Unreachable {
		rows[i] = store.Unreached{Step: step, Revision: revision, Contact: id, At: a.now()}
		if c, ok := a.inv.Contact(id); ok {
			rows[i].Client = c.Client
		}
	}
	n, err := a.store.PutUnreached(ctx, subject, rows)
	if err != nil {
		return err
	}
	out.UnreachableTotal = n
	out.Unreachable = out.Unreachable[:min(len(out.Unreachable), fewNames)]
	return nil
}

// UnreachedParams name a sending.
type UnreachedParams struct {
	Subject  string `json:"subject"`
	Step     string `json:"step"`
	Revision int    `json:"revision"`
	Work     string `json:"work,omitempty"` // planned work that it is about
}

// Unreached are those whom a sending did not reach.
type Unreached struct {
	Names []string `json:"names,omitempty"` // the first few
	Total int      `json:"total"`
	// Digest is the same for the same people.
	Digest string `json:"digest,omitempty"`
}

// StillUnreached tells whom a sending about an incident did not reach, contact
// by contact; about planned work, client by client: another contact's word, or
// that one of us told them, is enough.
func (a *Activities) StillUnreached(ctx context.Context, p UnreachedParams) (Unreached, error) {
	rows, err := a.store.Unreached(ctx, p.Subject, p.Step, p.Revision)
	if err != nil {
		return Unreached{}, err
	}
	names := map[string]bool{}
	if p.Work == "" {
		for _, u := range rows {
			names[u.Contact] = true
		}
	} else {
		known, err := a.store.Confirmations(ctx, p.Work, p.Revision, "")
		if err != nil {
			return Unreached{}, err
		}
		for _, u := range rows {
			if _, knows := known[u.Client]; !knows && u.Client != "" {
				names[u.Client] = true
			}
		}
	}
	all := sorted(names)
	if len(all) == 0 {
		return Unreached{}, nil
	}
	sum := sha256.Sum256([]byte(strings.Join(all, ",")))
	return Unreached{Names: all[:min(len(all), fewNames)], Total: len(all), Digest: hex.EncodeToString(sum[:6])}, nil
}
