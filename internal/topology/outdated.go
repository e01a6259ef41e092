package topology

import "slices"

// turn is when a vantage last heard of a component that has ceased to answer it since, and when it first
// did not, in nanoseconds.
type turn struct {
	vantage uint16
	at      int64
	silent  int64
}

// turnsOf finds the vantages that a component has ceased to answer within its rows, which stand by
// question, the latest first: a question that it used to answer goes unanswered at a later look, and
// nothing else is answered after that. What was said of its power, its links and its inputs before is
// as old as the last answer, and nothing of what is so now: a switch that has lost its power tells of
// no port any more.
func turnsOf(rows []row) []turn {
	var out []turn
	note := func(vantage uint16) *turn {
		for i := range out {
			if out[i].vantage == vantage {
				return &out[i]
			}
		}
		out = append(out, turn{vantage: vantage})
		return &out[len(out)-1]
	}
	ceased := false
	for i := 1; i < len(rows) && rows[i].ask.reaches(); i++ {
		if ceased = sameQuestion(&rows[i], &rows[i-1]) && rows[i].result == isUp && rows[i-1].result != isUp; ceased {
			break
		}
	}
	if !ceased {
		return nil
	}
	for i := range rows {
		if r := &rows[i]; r.ask.reaches() && r.result == isUp {
			t := note(r.vantage)
			t.at = max(t.at, r.at)
		}
	}
	for i := range rows {
		for k := range out {
			if r, t := &rows[i], &out[k]; r.vantage == t.vantage && r.ask.reaches() && r.result == isDown && r.at > t.at && (t.silent == 0 || r.at < t.silent) {
				t.silent = r.at
			}
		}
	}
	return slices.DeleteFunc(out, func(t turn) bool { return !silentSince(rows, t) })
}

// silentSince says that a question that was answered before is unanswered at a later look.
func silentSince(rows []row, t turn) bool {
	for i := 0; i < len(rows) && rows[i].ask.reaches(); {
		last := &rows[i]
		had := false
		for i++; i < len(rows) && sameQuestion(&rows[i], last); i++ {
			had = had || rows[i].result == isUp
		}
		if last.vantage == t.vantage && last.result == isDown && had && last.at-t.at > int64(lookEnds) {
			return true
		}
	}
	return false
}

// outdated says that the row tells how things stood before its component, whose turns these are, or
// the peer that it is about fell silent.
func (t *table) outdated(r *row, own []turn) bool {
	if r.result != isUp {
		return false
	}
	before := func(turned turn) bool {
		return turned.vantage == r.vantage && r.at <= max(turned.at+int64(lookEnds), turned.silent)
	}
	return slices.ContainsFunc(own, before) || r.peer != noNode && slices.ContainsFunc(turnsOf(t.of(r.peer)), before)
}
