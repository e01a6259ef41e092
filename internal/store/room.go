package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// RoomThread is the thread that an incident has in a room.
type RoomThread struct {
	Incident string
	Room     string
	Opening  string // the notification that opens it
	Mirrored int64  // the last line of the timeline that was taken into it
	Closed   int    // how often it was closed
}

// OpenRoomThread writes down that an incident has a thread in a room, opened by
// a notification that is queued with it; a second time it answers the first one.
func (s *Store) OpenRoomThread(ctx context.Context, incident, room string, opening ledger.Notification, now time.Time) (t RoomThread, created bool, err error) {
	opening = keyed(opening)
	err = s.write(ctx, func(tx *transaction) error {
		n, err := affect(tx.ExecContext(ctx, `INSERT INTO room_thread (incident, room, opening) VALUES ($1, $2, $3) ON CONFLICT (incident, room) DO NOTHING`,
			incident, room, ledger.ID(opening.Key)))
		if err != nil || n == 0 {
			return err
		}
		created = true
		return s.enqueue(ctx, tx, []string{opening.Key}, map[string]ledger.Notification{opening.Key: queued(opening, now)})
	})
	if err != nil {
		return t, false, fmt.Errorf("open the thread of incident %s in room %s: %w", incident, room, err)
	}
	t, err = s.RoomThread(ctx, incident, room)
	return t, created, err
}

func keyed(n ledger.Notification) ledger.Notification {
	if n.Key == "" {
		n.Key = ledger.Key(n.Subject, n.Contact, n.Channel, n.Step, n.Revision)
	}
	return n
}

// RoomThread reads the thread of an incident in a room.
func (s *Store) RoomThread(ctx context.Context, incident, room string) (RoomThread, error) {
	t := RoomThread{Incident: incident, Room: room}
	err := s.reader.QueryRowContext(ctx, `SELECT opening, mirrored, closed FROM room_thread WHERE incident = $1 AND room = $2`, incident, room).
		Scan(&t.Opening, &t.Mirrored, &t.Closed)
	return one(t, err)("room thread", incident+" in "+room)
}

// RoomsOf are the rooms in which an incident has a thread.
func (s *Store) RoomsOf(ctx context.Context, incident string) ([]string, error) {
	rooms, err := collect(ask(s.reader.QueryContext(ctx, `SELECT room FROM room_thread WHERE incident = $1 ORDER BY room`, incident)), scanText)
	if err != nil {
		return nil, fmt.Errorf("read the rooms of incident %s: %w", incident, err)
	}
	return rooms, nil
}

// Mirror queues what a room is told next, and moves its thread's mark from one
// line of the timeline to another with it: both or, where the mark stands
// elsewhere meanwhile, neither (ErrConflict). A zero notification only moves the mark.
func (s *Store) Mirror(ctx context.Context, t RoomThread, upTo int64, n ledger.Notification, now time.Time) error {
	return s.told(ctx, t, `UPDATE room_thread SET mirrored = $1 WHERE incident = $2 AND room = $3 AND mirrored = $4`, []any{upTo, t.Incident, t.Room, t.Mirrored}, now, n)
}

// CloseRoomThread queues the last words of a thread, and counts that it was
// closed, as Mirror does. An odd count is a thread that is closed.
func (s *Store) CloseRoomThread(ctx context.Context, t RoomThread, now time.Time, ns ...ledger.Notification) error {
	return s.told(ctx, t, `UPDATE room_thread SET closed = closed + 1 WHERE incident = $1 AND room = $2 AND closed = $3 AND mirrored = $4`, []any{t.Incident, t.Room, t.Closed, t.Mirrored}, now, ns...)
}

func (s *Store) told(ctx context.Context, t RoomThread, move string, args []any, now time.Time, ns ...ledger.Notification) error {
	err := s.write(ctx, func(tx *transaction) error {
		moved, err := affect(tx.ExecContext(ctx, move, args...))
		if err != nil {
			return err
		}
		if moved == 0 {
			return ErrConflict
		}
		var keys []string
		rows := map[string]ledger.Notification{}
		for _, n := range ns {
			if n.Contact == "" {
				continue
			}
			n = keyed(n)
			keys = append(keys, n.Key)
			rows[n.Key] = queued(n, now)
		}
		if len(keys) == 0 {
			return nil
		}
		return s.enqueue(ctx, tx, keys, rows)
	})
	if err != nil {
		return fmt.Errorf("tell room %s of incident %s: %w", t.Room, t.Incident, err)
	}
	return nil
}

// ThreadOf is the thread at the provider into which a room's message goes, and
// whether it is a topic; empty: its room has none, or it isn't open yet.
func (s *Store) ThreadOf(ctx context.Context, n ledger.Notification) (ledger.Thread, error) {
	var t ledger.Thread
	incident, room := strings.TrimPrefix(n.Subject, "incident/"), strings.TrimPrefix(n.Contact, inventory.RoomContact(""))
	err := s.reader.QueryRowContext(ctx, `SELECT provider_id, event FROM notification
		WHERE id = (SELECT opening FROM room_thread WHERE incident = $1 AND room = $2)`, incident, room).Scan(&t.ID, &t.Event)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t, fmt.Errorf("read the thread of notification %s: %w", n.ID, err)
	}
	return t, nil
}

// IncidentOfThread is the incident in whose thread of a room a message of ours
// has one of these ids at the provider; empty: none.
func (s *Store) IncidentOfThread(ctx context.Context, room string, ids []string) (string, error) {
	if len(ids) == 0 {
		return "", nil
	}
	var subject string
	err := s.reader.QueryRowContext(ctx, `SELECT subject FROM notification WHERE provider_id`+s.dialect.among+`
		AND contact = $2 AND substr(event, 1, 5) = 'room.' ORDER BY created_at DESC LIMIT 1`, s.dialect.list(ids), inventory.RoomContact(room)).Scan(&subject)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look for a thread of room %s: %w", room, err)
	}
	return strings.TrimPrefix(subject, "incident/"), nil
}

// PinCommand remembers which incident a command from a messenger is about. One
// that was delivered before is about the one that it was about then; answered
// says that its sender heard what came of it.
func (s *Store) PinCommand(ctx context.Context, id, incident string, at time.Time) (about string, answered bool, err error) {
	var answeredAt int64
	err = s.write(ctx, func(tx *transaction) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO room_command (id, incident, at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`, id, incident, micros(at)); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT incident, answered FROM room_command WHERE id = $1`, id).Scan(&about, &answeredAt)
	})
	if err != nil {
		return "", false, fmt.Errorf("remember a command about incident %s: %w", incident, err)
	}
	return about, answeredAt != 0, nil
}

// CommandAnswered remembers that who sent a command heard what came of it.
func (s *Store) CommandAnswered(ctx context.Context, id string, at time.Time) error {
	err := s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `UPDATE room_command SET answered = $1 WHERE id = $2`, micros(at), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("remember that a command was answered: %w", err)
	}
	return nil
}
