package config

import (
	"errors"
	"fmt"
	"time"

	"vakhta/internal/inventory"
)

// Hands says how a site's support is asked to look where no probe can decide.
type Hands struct {
	// Ladder is by which channels, one after another; empty: email 1m, telegram
	// 3m, call 5m.
	Ladder []HandsRung `yaml:"ladder"`
	// Deadline is after what time an engineer gets the task; 0: 30m.
	Deadline time.Duration `yaml:"deadline"`
}

// HandsRung is one channel, and how long it is given before the next.
type HandsRung struct {
	Channel inventory.Channel `yaml:"channel"`
	Wait    time.Duration     `yaml:"wait"`
}

// ValidateAndSetDefaults checks what is given; whoever asks fills in the rest.
func (h *Hands) ValidateAndSetDefaults() error {
	var errs []error
	for i, r := range h.Ladder {
		key := fmt.Sprintf("hands.ladder[%d]", i)
		if _, known := defaultRates[r.Channel]; !known {
			errs = append(errs, fmt.Errorf("%s.channel: no such channel %q; there are %s", key, r.Channel, listed(sortedKeys(defaultRates))))
		}
		errs = append(errs, within(key+".wait", r.Wait, time.Second, 24*time.Hour))
	}
	if h.Deadline != 0 {
		errs = append(errs, within("hands.deadline", h.Deadline, time.Second, 7*24*time.Hour))
	}
	return errors.Join(errs...)
}
