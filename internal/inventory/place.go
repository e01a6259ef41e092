package inventory

import (
	"strconv"
	"strings"
)

// kindWords are what people call the kinds.
var kindWords = map[Language]map[Kind]string{
	English: {
		KindSite: "site", KindRoom: "room", KindRack: "rack", KindFeed: "power feed", KindPDU: "PDU", KindPhase: "phase",
		KindUplink: "uplink", KindSwitch: "switch", KindCard: "line card", KindHypervisor: "hypervisor", KindServer: "server",
	},
	Russian: {
		KindSite: "площадка", KindRoom: "зал", KindRack: "стойка", KindFeed: "ввод питания", KindPDU: "PDU", KindPhase: "фаза",
		KindUplink: "магистральный канал", KindSwitch: "коммутатор", KindCard: "линейная карта", KindHypervisor: "гипервизор", KindServer: "сервер",
	},
}

var unitWord = map[Language]string{English: "unit", Russian: "юнит"}

// Word is what people call components of the kind: "rack", "стойка".
func (k Kind) Word(lang Language) string {
	if words, ok := kindWords[lang]; ok && words[k] != "" {
		return words[k]
	}
	return kindWords[English][k]
}

// In returns the text in the language, or in another that it has, or "".
func (t Text) In(lang Language) string {
	for _, l := range []Language{lang, English, Russian} {
		if s := t[l]; s != "" {
			return s
		}
	}
	return ""
}

// Name is the component's name in the language, or its id.
func (inv *Inventory) Name(id string, lang Language) string {
	if c, ok := inv.component[id]; ok {
		if s := c.Name.In(lang); s != "" {
			return s
		}
	}
	return id
}

// SiteName is the site's name in the language, or its id.
func (inv *Inventory) SiteName(id string, lang Language) string { return inv.Name(id, lang) }

// Place says where a component stands, from the site down to the rack unit:
// "Moscow, room 1, rack K01, unit 12". A site, room or rack is its own place.
// A container without a name is called by what its id adds to its container's:
// rack msk-r1-k01 in room msk-r1 is "rack K01", room msk-r1 is "room 1".
func (inv *Inventory) Place(id string, lang Language) string {
	c, ok := inv.component[id]
	if !ok {
		return id
	}
	var parts []string
	at := c
	if c.Kind != KindSite && c.Kind != KindRoom && c.Kind != KindRack {
		if c.Unit > 0 {
			parts = append(parts, unitWords(lang)+" "+strconv.Itoa(c.Unit))
		}
		at = inv.component[c.In]
	}
	for ; at != nil; at = inv.component[at.In] {
		parts = append(parts, inv.placeName(at, lang))
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, ", ")
}

func unitWords(lang Language) string {
	if w, ok := unitWord[lang]; ok {
		return w
	}
	return unitWord[English]
}

// placeName is "rack K01": the kind's word and the name, unless the name says the kind itself.
func (inv *Inventory) placeName(c *Component, lang Language) string {
	name := c.Name.In(lang)
	if c.Kind == KindSite {
		if name == "" {
			return c.ID
		}
		return name
	}
	if name == "" {
		name = shortID(c)
	}
	word := c.Kind.Word(lang)
	if strings.HasPrefix(strings.ToLower(name), strings.ToLower(word)) {
		return name
	}
	return word + " " + name
}

// shortID is what c's id adds to its container's.
func shortID(c *Component) string {
	short := strings.TrimLeft(strings.TrimPrefix(c.ID, c.In), "-_.")
	if short == "" || short == c.ID {
		return c.ID
	}
	short = strings.ToUpper(short)
	if number := strings.TrimPrefix(short, "R"); c.Kind == KindRoom && number != "" && strings.Trim(number, "0123456789") == "" {
		return number
	}
	return short
}
