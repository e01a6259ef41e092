package store

import (
	"strconv"
	"strings"
)

// where builds a WHERE clause whose parameters are numbered as they come.
type where struct {
	conditions []string
	args       []any
}

// add takes a condition with ? in the place of each of its arguments.
func (w *where) add(condition string, args ...any) {
	var b strings.Builder
	for _, part := range strings.SplitAfter(condition, "?") {
		if cut, found := strings.CutSuffix(part, "?"); found {
			w.args = append(w.args, args[0])
			args = args[1:]
			b.WriteString(cut + "$" + strconv.Itoa(len(w.args)))
			continue
		}
		b.WriteString(part)
	}
	w.conditions = append(w.conditions, b.String())
}

// equal adds column = value, unless the value is empty.
func (w *where) equal(column, value string) {
	if value != "" {
		w.add(column+" = ?", value)
	}
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// limit is a LIMIT clause; 0 is none.
func limit(n int) string {
	if n <= 0 {
		return ""
	}
	return " LIMIT " + strconv.Itoa(n)
}
