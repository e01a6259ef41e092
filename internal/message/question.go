package message

import (
	"fmt"
	"slices"
	"strings"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// The events of a question to people at a site.
const (
	EventQuestion          = "hands.question"
	EventQuestionStandDown = "hands.standdown"
)

// TakesAnswer says whether a message of the event asks yes or no, by buttons
// or by 1, 2 and 3 on the phone.
func TakesAnswer(event string) bool { return event == EventQuestion }

// Question is what somebody is asked to go and look at.
type Question struct {
	Text  string // the one question: "Is the lamp of the power supply on PDU B lit?"
	Short string // the same for an SMS
	What  string // "server srv-1": what to look at
	Label string // what the sticker on it says; empty: it has none
	Place string // "Moscow, room 2, rack K14, unit 7"
	Spot  string // the same for an SMS: "K14 U7 ACME-0400"
	// Reminder: this person was asked before.
	Reminder bool
	// Answer is what was answered, in words, in a stand-down; empty: nothing.
	Answer string
}

// seen are the probes that somebody who looks can make: what to ask, at length
// and for an SMS. Each takes the name of the peer, and is put so that yes
// means that it works.
var seen = map[topology.Probe]map[inventory.Language][2]string{
	topology.ProbePower: {
		inventory.Russian: {"Горит ли на корпусе хоть одна лампа?", "горит хоть одна лампа?"},
		inventory.English: {"Is any lamp on it lit?", "is any lamp lit?"},
	},
	topology.ProbePSU: {
		inventory.Russian: {"Горит ли лампа блока питания, который включён в %s?", "лампа БП от %s горит?"},
		inventory.English: {"Is the lamp of the power supply on %s lit?", "is the PSU lamp on %s lit?"},
	},
	topology.ProbePort: {
		inventory.Russian: {"Горит ли лампа порта, в который включён %s?", "лампа порта горит: %s?"},
		inventory.English: {"Is the lamp of its port to %s lit?", "is the port lamp to %s lit?"},
	},
	topology.ProbeOutlet: {
		inventory.Russian: {"Включена ли розетка, от которой питается %s?", "розетка включена: %s?"},
		inventory.English: {"Is its outlet that feeds %s on?", "is the outlet to %s on?"},
	},
	topology.ProbeFeed: {
		inventory.Russian: {"Есть ли на входе напряжение (%s)?", "есть напряжение на входе (%s)?"},
		inventory.English: {"Does its input have power (%s)?", "is there input power (%s)?"},
	},
}

// litWithin is the question of power where many things stand in one.
var litWithin = map[inventory.Language][2]string{
	inventory.Russian: {"Горит ли внутри хоть одна лампа?", "горит хоть одна лампа?"},
	inventory.English: {"Is any lamp in it lit?", "is any lamp lit?"},
}

// CanBeSeen says whether people can answer the probe of the component by
// looking, and why not.
func CanBeSeen(inv *inventory.Inventory, component string, probe topology.Probe, peer string) error {
	if _, ok := inv.Component(component); !ok {
		return fmt.Errorf("component: the inventory has no component %q", component)
	}
	if seen[probe] == nil {
		return fmt.Errorf("probe: %q can't be answered by looking; use power, psu, port, outlet or feed", probe)
	}
	needsPeer := slices.Contains([]topology.Probe{topology.ProbePSU, topology.ProbePort, topology.ProbeOutlet}, probe)
	switch _, known := inv.Component(peer); {
	case peer == "" && needsPeer:
		return fmt.Errorf("peer: must be given for %s: the component at the other end", probe)
	case peer != "" && !known:
		return fmt.Errorf("peer: the inventory has no component %q", peer)
	case peer != "" && probe == topology.ProbePower:
		return fmt.Errorf("peer: %s asks of the component alone; leave it out", probe)
	}
	return nil
}

// Ask words the question of a probe: what to look at, where that is, and the
// one thing to answer.
func Ask(inv *inventory.Inventory, component string, probe topology.Probe, peer string, lang inventory.Language) Question {
	if lang != inventory.Russian {
		lang = inventory.English
	}
	c, ok := inv.Component(component)
	if !ok {
		return Question{Text: component, Short: component, What: component}
	}
	words := seen[probe][lang]
	if probe == topology.ProbePower && isPlace(c.Kind) {
		words = litWithin[lang]
	}
	at := component
	if isPlace(c.Kind) && c.In != "" {
		at = c.In // a rack is what to look at, and the room where it is
	}
	q := Question{Text: words[0], Short: words[1], What: thing(inv, c, lang), Label: c.Label, Place: inv.Place(at, lang), Spot: spot(inv, c, lang)}
	if p, ok := inv.Component(peer); ok {
		other := thing(inv, p, lang)
		if lang == inventory.Russian && probe == topology.ProbePSU {
			if rest, phase := strings.CutPrefix(other, "фаза"); phase {
				other = "фазу" + rest
			}
		}
		q.Text, q.Short = strings.ReplaceAll(q.Text, "%s", other), strings.ReplaceAll(q.Short, "%s", inv.Name(peer, lang))
	}
	for _, text := range []*string{&q.Text, &q.Short} {
		*text = strings.ReplaceAll(strings.ReplaceAll(*text, " (%s)", ""), "%s", peer)
	}
	return q
}

func isPlace(k inventory.Kind) bool {
	return k == inventory.KindRack || k == inventory.KindRoom || k == inventory.KindSite
}

// thing names a component by its kind and name, without saying the kind twice.
func thing(inv *inventory.Inventory, c *inventory.Component, lang inventory.Language) string {
	name := inv.Name(c.ID, lang)
	word, _, _ := strings.Cut(c.Kind.Word(lang), " ")
	if first, _, more := strings.Cut(name, " "); more && strings.EqualFold(first, word) {
		return name
	}
	return named(c.Kind, name, lang)
}

// spot is where it is in a few characters: rack, unit, sticker.
func spot(inv *inventory.Inventory, c *inventory.Component, lang inventory.Language) string {
	var parts []string
	if c.Rack != "" && c.Rack != c.ID {
		parts = append(parts, inv.Name(c.Rack, lang))
	}
	if c.Unit > 0 {
		parts = append(parts, fmt.Sprintf("U%d", c.Unit))
	}
	name := c.Label
	if name == "" {
		name = inv.Name(c.ID, lang)
	}
	return strings.Join(append(parts, name), " ")
}

// said are the answers as people say them.
var said = map[inventory.Language]map[string]string{
	inventory.Russian: {"yes": "да", "no": "нет", "cant-tell": "не видно"},
	inventory.English: {"yes": "yes", "no": "no", "cant-tell": "can't tell"},
}

// AnswerWord is an answer (yes, no, cant-tell) in words.
func AnswerWord(answer string, lang inventory.Language) string {
	if lang != inventory.Russian {
		lang = inventory.English
	}
	return said[lang][answer]
}

// toldAfter is what somebody is told who answered: his answer counts, another one
// came before, none is needed any more.
var toldAfter = map[inventory.Language]struct{ counts, late, needless string }{
	inventory.Russian: {"Спасибо, записано: %s.", "Спасибо, ответ уже есть: %s.", "Спасибо, ответ больше не нужен."},
	inventory.English: {"Thank you, noted: %s.", "Thank you, it has been answered already: %s.", "Thank you, the answer is not needed any more."},
}

// Heard tells whoever answered what became of the question: the answer that
// counts, or none, and whether that is his.
func Heard(answer string, his bool, lang inventory.Language) string {
	if lang != inventory.Russian {
		lang = inventory.English
	}
	words := toldAfter[lang]
	switch {
	case answer == "":
		return words.needless
	case his:
		return fmt.Sprintf(words.counts, AnswerWord(answer, lang))
	}
	return fmt.Sprintf(words.late, AnswerWord(answer, lang))
}

// answerWords are what people begin an answer with who write it, small and
// without punctuation.
var answerWords = []struct {
	answer string
	words  []string
}{
	{"cant-tell", []string{"не видно", "не вижу", "не знаю", "непонятно", "не понятно", "can't tell", "cant tell", "cannot tell", "don't know", "cant-tell"}},
	{"no", []string{"не горит", "не горят", "нету", "нет", "no", "not lit", "n", "-"}},
	{"yes", []string{"горит", "горят", "да", "есть", "yes", "lit", "y", "+"}},
}

// WrittenAnswer reads an answer (yes, no, cant-tell) from what somebody wrote
// in Russian or English: its beginning, "да, горит". What then says the
// opposite, too, or "not", is no answer that anybody should act on.
func WrittenAnswer(text string) (answer string, ok bool) {
	words := strings.FieldsFunc(strings.ToLower(strings.ReplaceAll(text, "’", "'")), func(r rune) bool {
		return strings.ContainsRune(" \t\r\n.,:;!?()\"«»", r)
	})
	line := strings.Join(words, " ") + " "
	for _, a := range answerWords {
		for _, begin := range a.words {
			if rest, begins := strings.CutPrefix(line, begin+" "); begins {
				return a.answer, !contradicted(a.answer, strings.Fields(rest))
			}
		}
	}
	return "", false
}

func contradicted(answer string, rest []string) bool {
	against := contradictsNo
	if answer == "yes" {
		against = contradictsYes
	}
	return slices.ContainsFunc(rest, func(word string) bool { return slices.Contains(against, word) })
}

var (
	contradictsYes = []string{"не", "нет", "no", "not", "n't", "но", "but", "-"}
	contradictsNo  = []string{"да", "yes", "но", "but", "+"}
)

// askedAgain asks who wrote what no answer can be read from, or who was asked several things.
var askedAgain = map[inventory.Language]struct{ unclear, several string }{
	inventory.Russian: {"Не поняли ответ. Напишите: да, нет или не видно.", "Вопросов несколько, какой? Напишите код и ответ: %s да."},
	inventory.English: {"We can't read that. Write yes, no or can't tell.", "Several questions are open: which? Write code and answer: %s yes."},
}

// AskAgain asks for an answer that can be read; with codes, those of several
// open questions, it asks which of them was meant.
func AskAgain(codes []string, lang inventory.Language) string {
	if lang != inventory.Russian {
		lang = inventory.English
	}
	if len(codes) == 0 {
		return askedAgain[lang].unclear
	}
	return fmt.Sprintf(askedAgain[lang].several, strings.Join(codes, "/"))
}
