package inventory

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// Hours are a part of each day by the clock on the wall, over midnight where
// the end is before the beginning. Both are minutes since midnight, 0 to 1439.
type Hours struct {
	From int `json:"from"`
	To   int `json:"to"` // the first minute behind
}

// String writes the hours as the inventory does: 22:00-08:00.
func (h Hours) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", h.From/60, h.From%60, h.To/60, h.To%60)
}

// Hold says whether the clock on the wall stands within the hours.
func (h Hours) Hold(wall time.Time) bool {
	minute := wall.Hour()*60 + wall.Minute()
	if h.From < h.To {
		return minute >= h.From && minute < h.To
	}
	return minute >= h.From || minute < h.To
}

// QuietAt says whether the contact has quiet hours at the instant.
func (c *Contact) QuietAt(t time.Time) bool {
	if c.Quiet == nil {
		return false
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		zone = time.UTC // Load has checked the name; the zone's data may be gone
	}
	return c.Quiet.Hold(t.In(zone))
}

var hoursForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])$`)

// hours reads hours such as 22:00-08:00.
func (d *decoder) hours(n *yaml.Node) *Hours {
	s := d.text(n)
	if s == "" {
		return nil
	}
	m := hoursForm.FindStringSubmatch(s)
	if m == nil || s[:5] == s[6:] {
		d.wrong(n, "is not a part of a day; write the beginning and the end, such as 22:00-08:00")
		return nil
	}
	var v [4]int
	for i := range v {
		v[i], _ = strconv.Atoi(m[i+1]) // two digits
	}
	return &Hours{From: v[0]*60 + v[1], To: v[2]*60 + v[3]}
}
