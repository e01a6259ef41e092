package probe

import (
	"context"
	"maps"
	"slices"

	"go.temporal.io/sdk/activity"
)

// unasked are devices that could not be asked for one reason: no observation says so, since
// it would read as the device's silence, so that the log has to.
type unasked struct {
	devices int
	one     string // of which component
}

// missed notes that the task told nothing, for a reason that is not the device's silence.
func (s *shard) missed(t task, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unasked == nil {
		s.unasked = map[string]unasked{}
	}
	u := s.unasked[why]
	if u.devices++; u.one == "" || t.component.ID < u.one {
		u.one = t.component.ID
	}
	s.unasked[why] = u
}

// failed keeps where a defect is. A stack holds no more than places.
func (s *shard) failed(stack []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stack = stack
}

// complain logs each reason once, however many devices it is true of.
func (s *shard) complain(ctx context.Context) {
	if !activity.IsActivity(ctx) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stack != nil {
		activity.GetLogger(ctx).Error("A probe tripped over a defect of Vakhta: report it", "stack", string(s.stack), "vantage", s.vantage)
	}
	if s.cramped > 0 {
		s.a.crampedOnce.Do(func() {
			activity.GetLogger(ctx).Warn("The kernel grants ping too small a receive buffer: replies get lost, and cost further attempts; set net.core.rmem_max=16777216, or grant CAP_NET_ADMIN",
				"KiB", s.cramped>>10, "vantage", s.vantage)
		})
	}
	for _, why := range slices.Sorted(maps.Keys(s.unasked)) {
		if why == cancelled.detail {
			continue
		}
		activity.GetLogger(ctx).Warn("Devices did not tell what they were asked", "why", why, "devices", s.unasked[why].devices, "one", s.unasked[why].one, "vantage", s.vantage)
	}
}
