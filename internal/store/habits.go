package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/topology"
)

// fade is the weight of a new round trip time in the average: after five sweeps
// an old one counts a third.
const fade = "0.2"

// habitBatch is how many habits one transaction writes: others write, too.
const habitBatch = 5000

// learn averages as RFC 6298 does for round trip times.
const learn = `ON CONFLICT (component, probe, peer, vantage) DO UPDATE SET
	asked = habit.asked + 1, answered = habit.answered + excluded.answered,
	silent = CASE WHEN excluded.answered = 1 THEN 0 ELSE habit.silent + 1 END,
	silent_at = CASE WHEN excluded.answered = 0 AND habit.silent = 0 THEN excluded.silent_at ELSE habit.silent_at END,
	deviation = CASE WHEN excluded.rtt = 0 THEN habit.deviation WHEN habit.rtt = 0 THEN excluded.deviation
		ELSE habit.deviation + ` + fade + ` * (ABS(excluded.rtt - habit.rtt) - habit.deviation) END,
	rtt = CASE WHEN excluded.rtt = 0 THEN habit.rtt WHEN habit.rtt = 0 THEN excluded.rtt ELSE habit.rtt + ` + fade + ` * (excluded.rtt - habit.rtt) END,
	last_at = excluded.last_at,
	last_up = CASE WHEN excluded.last_up > habit.last_up THEN excluded.last_up ELSE habit.last_up END
	WHERE excluded.last_at > habit.last_at`

// LearnHabits takes what a sweep has seen into the habits, each question once:
// its last answer counts. A sweep teaches once, however often this is called;
// of a batch that was learned before a crash, a repeat changes nothing.
func (s *Store) LearnHabits(ctx context.Context, sweep string, at time.Time, obs []topology.Observation) error {
	known, err := s.learned(ctx, sweep)
	if err != nil || known {
		return err
	}
	for batch := range slices.Chunk(lastAnswers(obs), habitBatch) {
		err := s.write(ctx, func(tx *transaction) error {
			_, err := s.dialect.insert(ctx, tx, `INSERT INTO habit (component, probe, peer, vantage, asked, answered, rtt, deviation, first_at, last_at, last_up, silent, silent_at)`, learn, habitRows(obs, batch))
			return err
		})
		if err != nil {
			return fmt.Errorf("learn %d habits from sweep %s: %w", len(batch), sweep, err)
		}
	}
	err = s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO habit_sweep (sweep, at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, sweep, micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("note that sweep %s has been learned: %w", sweep, err)
	}
	return nil
}

func (s *Store) learned(ctx context.Context, sweep string) (bool, error) {
	var n int
	if err := s.reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM habit_sweep WHERE sweep = $1`, sweep).Scan(&n); err != nil {
		return false, fmt.Errorf("look whether sweep %s has been learned: %w", sweep, err)
	}
	return n > 0, nil
}

// lastAnswers are the places of the last answers, each question once, by
// component, probe, peer and vantage; of equally late ones the last counts.
func lastAnswers(obs []topology.Observation) []int32 {
	byQuestion := func(a, b *topology.Observation) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Probe, b.Probe), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Vantage, b.Vantage))
	}
	order := make([]int32, len(obs))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int {
		return cmp.Or(byQuestion(&obs[i], &obs[j]), obs[j].At.Compare(obs[i].At), cmp.Compare(j, i))
	})
	return slices.CompactFunc(order, func(i, j int32) bool { return byQuestion(&obs[i], &obs[j]) == 0 })
}

// habitRows are the rows of those of the observations.
func habitRows(obs []topology.Observation, places []int32) [][]any {
	rows := make([][]any, 0, len(places))
	for _, i := range places {
		o := &obs[i]
		at := micros(o.At)
		up, answered, silent, silentAt := int64(0), 0, 1, at
		if o.Result == topology.Up {
			up, answered, silent, silentAt = at, 1, 0, 0
		}
		rtt := 0.0
		if answered == 1 {
			rtt = float64(o.RTTMicros)
		}
		rows = append(rows, []any{o.Component, string(o.Probe), o.Peer, o.Vantage, 1, answered, rtt, rtt / 2, at, at, up, silent, silentAt})
	}
	return rows
}

// Habits reads what is known of the components, by component, probe, peer and vantage.
func (s *Store) Habits(ctx context.Context, components []string) ([]topology.Habit, error) {
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT component, probe, peer, vantage, asked, answered, silent, rtt, deviation, first_at, last_at, last_up, silent_at
		FROM habit WHERE component`+s.dialect.among+` ORDER BY component, probe, peer, vantage`, s.dialect.list(components))), func(r row) (h topology.Habit, err error) {
		var rtt, deviation float64
		var first, last, up, silent int64
		err = r.Scan(&h.Component, &h.Probe, &h.Peer, &h.Vantage, &h.Asked, &h.Answered, &h.Silent, &rtt, &deviation, &first, &last, &up, &silent)
		h.RTT, h.Deviation = time.Duration(rtt*float64(time.Microsecond)), time.Duration(deviation*float64(time.Microsecond))
		h.FirstAt, h.LastAt = instant(first), instant(last)
		if up > 0 {
			h.LastUp = instant(up)
		}
		if silent > 0 {
			h.SilentAt = instant(silent)
		}
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the habits of %d components: %w", len(components), err)
	}
	return all, nil
}

// enoughAnswers is how often a host must have answered for its round trip to be known.
const enoughAnswers = 3

// UsualRTTs returns how long the slower answers of components take, seen from
// the vantage: the average and twice the deviation, the slowest of its probes.
// Who has seldom answered is left out.
func (s *Store) UsualRTTs(ctx context.Context, vantage string, components []string) (map[string]time.Duration, error) {
	out := make(map[string]time.Duration, len(components))
	_, err := collect(ask(s.reader.QueryContext(ctx, `SELECT component, MAX(rtt + 2 * deviation) FROM habit
		WHERE component`+s.dialect.among+` AND vantage = $2 AND peer = '' AND probe <> 'power' AND answered >= $3 AND rtt > 0 GROUP BY component`,
		s.dialect.list(components), vantage, enoughAnswers)), func(r row) (none struct{}, err error) {
		var id string
		var micros float64
		if err = r.Scan(&id, &micros); err == nil {
			out[id] = time.Duration(micros * float64(time.Microsecond))
		}
		return none, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the usual round trips from %s: %w", vantage, err)
	}
	return out, nil
}

// ForgetSweep drops what a sweep has observed and planned; what was learned from it stays.
func (s *Store) ForgetSweep(ctx context.Context, sweep string) error {
	err := s.write(ctx, func(tx *transaction) error {
		for _, statement := range []string{
			`DELETE FROM sweep_shard WHERE sweep = $1`, `DELETE FROM sweep_found WHERE sweep = $1`, `DELETE FROM recalled WHERE sweep = $1`,
			`UPDATE habit_sweep SET quiet = 0 WHERE sweep = $1`, `DELETE FROM observation WHERE sweep = $1`,
		} {
			if _, err := tx.ExecContext(ctx, statement, sweep); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget sweep %s: %w", sweep, err)
	}
	return nil
}
