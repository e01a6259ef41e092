package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"vakhta/internal/inventory"
)

// Account is somebody's account in a messenger.
type Account struct {
	Channel  inventory.Channel `json:"channel"`
	Name     string            `json:"name"` // the messenger's id of it
	Contact  string            `json:"contact"`
	LinkedAt time.Time         `json:"linkedAt"`
}

// hashed is a code as it is kept: who reads the store can't use it.
func hashed(code string) string {
	sum := sha256.Sum256([]byte("account/" + code))
	return hex.EncodeToString(sum[:])
}

// PutAccountCode keeps a code by which a contact's account can be linked, once.
func (s *Store) PutAccountCode(ctx context.Context, code, contact string, expires time.Time) error {
	err := s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO account_code (code, contact, expires_at) VALUES ($1, $2, $3)`, hashed(code), contact, micros(expires))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep a code to link an account of %s: %w", contact, err)
	}
	return nil
}

// LinkAccount links the account to whom the code was given. It is ErrNotFound
// if there is no such code, or it was used by another account, or its time is over.
func (s *Store) LinkAccount(ctx context.Context, code string, ch inventory.Channel, name string, now time.Time) (contact string, err error) {
	err = s.write(ctx, func(tx *transaction) error {
		err := tx.QueryRowContext(ctx, `UPDATE account_code SET used_at = $1 WHERE code = $2 AND used_at = 0 AND expires_at > $1 RETURNING contact`,
			micros(now), hashed(code)).Scan(&contact)
		if errors.Is(err, sql.ErrNoRows) { // the same message, delivered again
			err = tx.QueryRowContext(ctx, `SELECT account_code.contact FROM account_code JOIN account ON account.contact = account_code.contact
				WHERE code = $1 AND channel = $2 AND name = $3 AND linked_at = used_at`, hashed(code), string(ch), name).Scan(&contact)
			if errors.Is(err, sql.ErrNoRows) {
				return ErrNotFound
			}
			return err
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO account (channel, name, contact, linked_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (channel, name) DO UPDATE SET contact = excluded.contact, linked_at = excluded.linked_at`, string(ch), name, contact, micros(now))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("link an account in %s: %w", ch, err)
	}
	return contact, nil
}

// AccountOf is the contact whose account it is; empty: nobody's.
func (s *Store) AccountOf(ctx context.Context, ch inventory.Channel, name string) (string, error) {
	var contact string
	err := s.reader.QueryRowContext(ctx, `SELECT contact FROM account WHERE channel = $1 AND name = $2`, string(ch), name).Scan(&contact)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look whose account in %s it is: %w", ch, err)
	}
	return contact, nil
}

// Accounts are all accounts that are linked, by contact.
func (s *Store) Accounts(ctx context.Context) ([]Account, error) {
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT channel, name, contact, linked_at FROM account ORDER BY contact, channel, name`)), func(r row) (a Account, err error) {
		var at int64
		err = r.Scan(&a.Channel, &a.Name, &a.Contact, &at)
		a.LinkedAt = instant(at)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("read linked accounts: %w", err)
	}
	return all, nil
}

// UnlinkAccounts unlinks a contact's accounts in a messenger; empty: in all. It says how many.
func (s *Store) UnlinkAccounts(ctx context.Context, contact string, ch inventory.Channel) (n int, err error) {
	err = s.write(ctx, func(tx *transaction) error {
		n, err = affect(tx.ExecContext(ctx, `DELETE FROM account WHERE contact = $1 AND ($2 = '' OR channel = $2)`, contact, string(ch)))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("unlink accounts of %s: %w", contact, err)
	}
	return n, nil
}
