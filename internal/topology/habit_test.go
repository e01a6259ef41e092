package topology

import (
	"testing"
	"time"
)

func TestOldSilenceIsNotNews(t *testing.T) {
	now := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		h    Habit
		want bool
	}{
		"never answered":                   {Habit{Silent: 3, FirstAt: now.Add(-2 * time.Hour)}, true},
		"never answered, and was new then": {Habit{Silent: 3, FirstAt: now.Add(-10 * time.Minute)}, false},
		"off since the day before":         {Habit{Silent: 9, LastUp: now.Add(-30 * time.Hour)}, true},
		"off since an hour":                {Habit{Silent: 9, LastUp: now.Add(-time.Hour)}, false},
		"asked once since":                 {Habit{Silent: 1, LastUp: now.Add(-30 * time.Hour)}, false},
		"answers":                          {Habit{Asked: 9, Answered: 9, LastUp: now}, false},
	} {
		if got := c.h.WasSilent(now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
