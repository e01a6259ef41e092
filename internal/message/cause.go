package message

import (
	"slices"
	"strings"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// sureEnough is the confidence below which a cause is called probable, and
// likelier the probability below which it is likelier to be another of its class.
const (
	sureEnough = 0.8
	likelier   = 0.5
)

var russianFailures = map[inventory.Kind]string{
	inventory.KindFeed: "отказ ввода питания", inventory.KindPDU: "отказ PDU", inventory.KindPhase: "отказ фазы", inventory.KindCard: "отказ линейной карты", inventory.KindUplink: "отказ магистрального канала",
	inventory.KindSwitch: "отказ коммутатора", inventory.KindHypervisor: "отказ гипервизора",
}

// inPart says how what has not failed as a whole does fail.
var inPart = map[topology.Mode]map[inventory.Language]string{
	topology.Flapping: {inventory.Russian: "то отвечает, то нет", inventory.English: "answers now and then"},
	topology.Lossy:    {inventory.Russian: "теряется часть пакетов", inventory.English: "a part of the packets is lost"},
	topology.Heating:  {inventory.Russian: "перегрев", inventory.English: "overheating"},
	topology.Partial:  {inventory.Russian: "частичный отказ", inventory.English: "failed in part"},
}

// named is the kind's word and the name, without saying the kind twice.
func named(kind inventory.Kind, name string, lang inventory.Language) string {
	word := kind.Word(lang)
	said := word
	if noun, _, several := strings.Cut(word, " "); several && lang == inventory.Russian && !begins(name, word) {
		said = noun // "ввод A" of an "ввод питания"
	}
	if begins(name, said) {
		name = strings.TrimSpace(name[len(said):])
	}
	if name == "" {
		return word
	}
	return word + " " + name
}

// begins says that the name begins with these words.
func begins(name, words string) bool {
	return len(name) >= len(words) && strings.EqualFold(name[:len(words)], words) && (len(name) == len(words) || name[len(words)] == ' ')
}

// Cause says a finding to a client, for [Data.Finding]: what failed and where,
// and nothing of what else it takes down or might have been, since those are
// other clients' machines. [topology.Describe] says it to an engineer.
func Cause(inv *inventory.Inventory, f topology.Finding, lang inventory.Language) string {
	if f.Component == "" {
		return ""
	}
	if f.Mode == "" && len(f.AmbiguousWith) > 0 && f.Itself() < likelier {
		if place := commonPlace(inv, f); place != "" {
			if lang == inventory.Russian {
				return "отказ оборудования: " + inv.Place(place, lang)
			}
			return "a failure of equipment: " + inv.Place(place, lang)
		}
	}
	text := cause(inv, f, lang)
	if f.Confidence > 0 && f.Confidence < sureEnough || len(f.AmbiguousWith) > 0 {
		if lang == inventory.Russian {
			return "вероятно, " + text
		}
		return "probably " + text
	}
	return text
}

// commonPlace is the smallest place that holds all of the finding's class: where none of them is
// likelier than not, to name one would mostly be false. Empty if there is none.
func commonPlace(inv *inventory.Inventory, f topology.Finding) string {
	holds := func(place, id string) bool {
		for id != "" && id != place {
			c, ok := inv.Component(id)
			if !ok {
				return false
			}
			id = c.In
		}
		return id == place
	}
	for id := f.Component; id != ""; {
		c, ok := inv.Component(id)
		if !ok {
			return ""
		}
		isPlace := c.Kind == inventory.KindSite || c.Kind == inventory.KindRoom || c.Kind == inventory.KindRack
		if isPlace && !slices.ContainsFunc(f.AmbiguousWith, func(other string) bool { return !holds(id, other) }) {
			return id
		}
		id = c.In
	}
	return ""
}

func cause(inv *inventory.Inventory, f topology.Finding, lang inventory.Language) string {
	name, place := inv.Name(f.Component, lang), inv.Place(f.Component, lang)
	russian := lang == inventory.Russian
	if words, ok := inPart[f.Mode]; ok {
		text := words[lang]
		if text == "" {
			text = words[inventory.English]
		}
		if f.Kind == inventory.KindSite || f.Kind == inventory.KindRoom || f.Kind == inventory.KindRack {
			return text + ": " + place
		}
		return text + ": " + named(f.Kind, name, lang) + ", " + place
	}
	switch f.Kind {
	case inventory.KindSite, inventory.KindRoom, inventory.KindRack:
		if russian {
			return "не работает целиком " + place
		}
		return place + " is down as a whole"
	case inventory.KindServer:
		switch unserving := f.Unserving(); {
		case russian && unserving != "":
			return "сервер " + name + " отвечает, но не так, как должен, по " + unserving + ": " + place
		case unserving != "":
			return "server " + name + " answers, but not as it should by " + unserving + ": " + place
		case russian && f.PowerOff:
			return "выключен сервер " + name + ": " + place
		case russian:
			return "не отвечает сервер " + name + ": " + place
		case f.PowerOff:
			return "server " + name + " is switched off: " + place
		default:
			return "server " + name + " does not answer: " + place
		}
	default:
		// "отказ PDU A", not "отказ PDU PDU A"; "отказ коммутатора" where it has no other name.
		word := f.Kind.Word(lang)
		name = strings.TrimPrefix(named(f.Kind, name, lang), word)
		if russian {
			return russianFailures[f.Kind] + name + ": " + place
		}
		return word + name + " has failed: " + place
	}
}
