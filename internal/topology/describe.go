package topology

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"vakhta/internal/inventory"
)

// Describe says a finding in one sentence: what failed, where, how many of the
// servers that were looked at it takes down, how sure that is. A language other than Russian reads as English.
func Describe(inv *inventory.Inventory, f Finding, lang inventory.Language) string {
	if lang == inventory.Russian {
		return describeRussian(inv, f)
	}
	var b strings.Builder
	b.WriteString(Headline(inv, f, lang) + impact(nil, f, lang))
	fmt.Fprintf(&b, "; %s (%d%%)", sureness(f.Itself(), inventory.English), Percent(f.Itself()))
	if len(f.AmbiguousWith) > 0 {
		b.WriteString(", it may also be " + rivals(&f, inventory.English))
	}
	return b.String() + "."
}

// Headline says what failed and where: the title of an incident. It has no
// trailing period.
func Headline(inv *inventory.Inventory, f Finding, lang inventory.Language) string {
	name, place := displayName(inv, f.Component, lang), inv.Place(f.Component, lang)
	if said := headlineInPart(inv, f, lang); said != "" {
		return said
	}
	if lang == inventory.Russian {
		switch {
		case f.PowerOff:
			return fmt.Sprintf("Сервер %s (%s) выключен", name, place)
		case f.Unserving() != "":
			return fmt.Sprintf("Сервер %s (%s) отвечает, но не так, как должен, по %s", name, place, f.Unserving())
		case f.ShutPort():
			return fmt.Sprintf("Сервер %s (%s) отключён от сети: его порт выключен в настройках коммутатора", name, place)
		case f.Kind == inventory.KindServer:
			return fmt.Sprintf("Сервер %s (%s) не отвечает, неисправность в нём самом", name, place)
		case isPlace(f.Kind):
			return place + ": не работает целиком"
		}
		return fmt.Sprintf("Отказ: %s (%s)", kindAndName(inv, f, lang), place)
	}
	switch {
	case f.PowerOff:
		return fmt.Sprintf("Server %s (%s) is switched off", name, place)
	case f.Unserving() != "":
		return fmt.Sprintf("Server %s (%s) answers, but not as it should by %s", name, place, f.Unserving())
	case f.ShutPort():
		return fmt.Sprintf("Server %s (%s) is cut off: its port is shut down by the switch's configuration", name, place)
	case f.Kind == inventory.KindServer:
		return fmt.Sprintf("Server %s (%s) does not answer, and the fault is its own", name, place)
	case isPlace(f.Kind):
		return place + " is down as a whole"
	}
	return fmt.Sprintf("%s (%s) has failed", capital(kindAndName(inv, f, inventory.English)), place)
}

// headlineInPart is the same of what fails in part; "" for what fails as a whole.
func headlineInPart(inv *inventory.Inventory, f Finding, lang inventory.Language) string {
	place := inv.Place(f.Component, lang)
	what := capital(kindAndName(inv, f, lang)) + " (" + place + ")"
	if isPlace(f.Kind) {
		what = place
	}
	russian := lang == inventory.Russian
	switch f.Mode {
	case Flapping:
		if russian {
			return what + " то отвечает, то нет"
		}
		return what + " answers now and then"
	case Lossy:
		if russian {
			return what + " теряет часть пакетов"
		}
		return what + " loses a part of its packets"
	case Heating:
		if russian {
			return what + ": перегрев, серверы отключаются один за другим"
		}
		return what + " is overheating: its servers go down one after another"
	case Partial:
		if russian {
			return "Частичный отказ: " + kindAndName(inv, f, lang) + " (" + place + ")"
		}
		return "A part of " + kindAndName(inv, f, lang) + " (" + place + ") has failed"
	}
	return ""
}

func capital(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[size:]
}

// kindAndName says what a piece of equipment is and how it is called, without
// saying its kind twice ("PDU A", not "PDU PDU A"), and its id, which an
// engineer types.
func kindAndName(inv *inventory.Inventory, f Finding, lang inventory.Language) string {
	word, name := f.Kind.Word(lang), inv.Name(f.Component, lang)
	if name == f.Component {
		return word + " " + name
	}
	noun, _, _ := strings.Cut(word, " ") // "ввод A" says as much as "ввод питания ввод A"
	if lang != inventory.Russian {
		noun = word
	}
	if !strings.HasPrefix(strings.ToLower(name), strings.ToLower(noun)) {
		name = word + " " + name
	}
	return name + " " + f.Component
}

func describeRussian(inv *inventory.Inventory, f Finding) string {
	var b strings.Builder
	b.WriteString(Headline(inv, f, inventory.Russian) + impact(nil, f, inventory.Russian))
	fmt.Fprintf(&b, "; %s (%d %%)", sureness(f.Itself(), inventory.Russian), Percent(f.Itself()))
	if len(f.AmbiguousWith) > 0 {
		b.WriteString(", возможно также: " + rivals(&f, inventory.Russian))
	}
	return b.String() + "."
}

func displayName(inv *inventory.Inventory, id string, lang inventory.Language) string {
	name := inv.Name(id, lang)
	if c, ok := inv.Component(id); ok && c.Label != "" && name == id {
		return id + " [" + c.Label + "]"
	}
	return name
}

func isPlace(k inventory.Kind) bool {
	return k == inventory.KindSite || k == inventory.KindRoom || k == inventory.KindRack
}

// Percent is a confidence as people read it; it never claims certainty, which
// no inference has.
func Percent(p float64) int { return min(99, max(1, int(math.Round(100*p)))) }

// sureness puts a confidence into words.
func sureness(p float64, lang inventory.Language) string {
	words := [4]string{"almost certain", "very likely", "likely", "uncertain"}
	if lang == inventory.Russian {
		words = [4]string{"почти наверняка", "весьма вероятно", "вероятно", "под вопросом"}
	}
	switch {
	case p >= .97:
		return words[0]
	case p >= .85:
		return words[1]
	case p >= .6:
		return words[2]
	}
	return words[3]
}

// rivals names what may have failed in a finding's place, the likeliest first: what only failed
// together stands together.
func rivals(f *Finding, lang inventory.Language) string {
	or, and, together, others := "or", "and", "together", "others"
	if lang == inventory.Russian {
		or, and, together, others = "или", "и", "вместе", "другие"
	}
	var names []string
	for _, a := range f.Alternatives {
		switch name := listed(a.Components, and, others); {
		case len(a.Components) > 1:
			names = append(names, name+" "+together)
		default:
			names = append(names, name)
		}
	}
	if len(names) == 0 { // found by those who don't tell
		names = f.AmbiguousWith
	}
	return listed(names, or, others)
}

// listed joins at most three ids.
func listed(ids []string, or, others string) string {
	if len(ids) > 3 {
		return strings.Join(ids[:3], ", ") + " " + or + " " + others
	}
	if len(ids) == 1 {
		return ids[0]
	}
	return strings.Join(ids[:len(ids)-1], ", ") + " " + or + " " + ids[len(ids)-1]
}

// russianServers is the noun in the case that the number asks for.
func russianServers(n int) string {
	switch {
	case n%100 >= 11 && n%100 <= 14:
		return "серверов"
	case n%10 == 1:
		return "сервер"
	case n%10 >= 2 && n%10 <= 4:
		return "сервера"
	}
	return "серверов"
}
