package message

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
)

// The events of what an incident's thread in a team's room is told. Their texts
// are made of the timeline, not of templates.
const (
	RoomTopic         = "room.topic"          // makes a topic, named by the title
	RoomOpened        = "room.opened"         // what has happened, and what can be done here
	RoomLine          = "room.line"           // lines of the timeline
	RoomClosing       = "room.closing"        // the last message
	RoomTopicClosed   = "room.topic-closed"   // closes the topic
	RoomTopicReopened = "room.topic-reopened" // opens it again
	roomEvents        = "room."
)

// InRoom says that a message of the event goes into an incident's thread.
func InRoom(event string) bool { return strings.HasPrefix(event, roomEvents) }

// OpensThread says that a message of the event needs no thread to go into.
func OpensThread(event string) bool { return event == RoomTopic || event == RoomOpened }

// Opening is what the first message of a thread says.
type Opening struct {
	Incident, Severity string
	Finding            string // a sentence without its period
	Servers, Clients   int
	URL                string
	Channel            inventory.Channel
	Drill              bool
}

// commandSign begins a command where a messenger lets it through: Slack takes
// slash commands away within threads.
func commandSign(ch inventory.Channel) string {
	switch ch {
	case inventory.Slack:
		return "!"
	case inventory.Mattermost:
		return "/vakhta "
	default:
		return "/"
	}
}

// Title is the thread's name.
func (o Opening) Title(lang inventory.Language) string {
	return o.drill(lang) + strings.ToUpper(o.Severity) + " " + o.Incident + ": " + o.Finding
}

// drill says first that nothing has really happened.
func (o Opening) drill(lang inventory.Language) string {
	switch {
	case !o.Drill:
		return ""
	case lang == inventory.Russian:
		return "УЧЕНИЯ · "
	}
	return "DRILL · "
}

// Text is the thread's first message.
func (o Opening) Text(lang inventory.Language) string {
	sign := commandSign(o.Channel)
	head, affected, here := "incident", "Affected: %s, %s.", "Write here, it is about this incident: "
	servers, clients := []string{"server", "servers"}, []string{"client", "clients"}
	words := []string{"ack", "note TEXT", "eta 04:30", "checked COMPONENT RESULT", "restored COMPONENTS", "resolve WHY"}
	if lang == inventory.Russian {
		head, affected, here = "инцидент", "Затронуто: %s, %s.", "Пишите прямо здесь, это будет об этом инциденте: "
		servers, clients = []string{"сервер", "сервера", "серверов"}, []string{"клиент", "клиента", "клиентов"}
		words = []string{"ack", "note ТЕКСТ", "eta 04:30", "checked УЗЕЛ ЧТО-ВИДНО", "restored УЗЛЫ", "resolve ПРИЧИНА"}
	}
	lines := []string{o.drill(lang) + strings.ToUpper(o.Severity) + " · " + head + " " + o.Incident, Capital(o.Finding) + "."}
	if o.Servers > 0 {
		lines = append(lines, fmt.Sprintf(affected, counted(lang, o.Servers, servers), counted(lang, o.Clients, clients)))
	}
	for i := range words {
		words[i] = sign + words[i]
	}
	return strings.Join(append(lines, o.URL, here+strings.Join(words, " · ")), "\n")
}

func counted(lang inventory.Language, n int, forms []string) string {
	return fmt.Sprintf("%d %s", n, forms[pluralForm(lang, n)])
}

// Closing is the last message of a thread. postmortem is where it is written; empty: there is none yet.
func Closing(in incident.Incident, postmortem string, lang inventory.Language) string {
	lasted := max(in.ResolvedAt.Sub(in.OpenedAt).Round(time.Minute), time.Minute)
	hours, minutes := int(lasted/time.Hour), int(lasted%time.Hour/time.Minute)
	text, more, end := "Resolved after %s.", "Postmortem: ", "Nothing more is told here, unless the incident is reopened."
	took := fmt.Sprintf("%d min", minutes)
	if hours > 0 {
		took = fmt.Sprintf("%d h %d min", hours, minutes)
	}
	if lang == inventory.Russian {
		text, more, end = "Инцидент закрыт, длился %s.", "Разбор: ", "Здесь больше ничего не появится, если инцидент не откроют снова."
		took = strings.NewReplacer(" h ", " ч ", " min", " мин").Replace(took)
	}
	lines := []string{fmt.Sprintf(text, took)}
	if postmortem != "" {
		lines = append(lines, more+postmortem)
	}
	return strings.Join(append(lines, end), "\n")
}

const (
	maxBundle   = 2400 // characters: Slack's blocks take 3,000, escaped
	maxLineText = 400
	// alertsTold is how many alerts of a bundle are told one by one.
	alertsTold = 3
)

// untold are the kinds of lines that a thread is not told: its first message
// says them, or nobody wants them.
var untold = map[string]bool{"opened": true, "raised": true, "runbook": true, "room": true}

// byName are the kinds whose text says itself who did it.
var byName = map[string]bool{"acknowledged": true, "acknowledged-late": true, "handed-over": true, "assigned": true, "report": true, "alert": true}

// Bundle makes one message of the timeline's next lines: as many as fit. upTo is
// the last that it took care of, text is empty where none of them is told. who
// names an actor, and is empty where he is not to be named.
func Bundle(entries []incident.Entry, who func(actor string) string, zone *time.Location, now time.Time) (text string, upTo int64) {
	var lines []string
	size, alerts := 0, 0
	for _, e := range entries {
		line := ""
		switch {
		case untold[e.Kind]:
		case e.Kind == "alert" && alerts >= alertsTold:
			alerts++
		default:
			line = lineOf(e, who, zone, now)
		}
		if n := len([]rune(line)) + 1; line != "" {
			if size+n > maxBundle {
				break
			}
			size += n
			lines = append(lines, line)
			if e.Kind == "alert" {
				alerts++
			}
		}
		upTo = e.Seq
	}
	if more := alerts - alertsTold; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more alerts", more))
	}
	return strings.Join(lines, "\n"), upTo
}

func lineOf(e incident.Entry, who func(string) string, zone *time.Location, now time.Time) string {
	text := Discreet(strings.Join(strings.Fields(inZone(e.Text, zone, now)), " "))
	if r := []rune(text); len(r) > maxLineText {
		text = string(r[:maxLineText]) + "…"
	}
	switch e.Kind {
	case "check":
		text = "checked " + text
	case "reopened":
		text = "reopened: " + text
	case "postmortem":
		text = "postmortem " + strings.TrimRight(text, ": ")
	}
	if name := who(e.Actor); name != "" && !byName[e.Kind] {
		text = name + " — " + text
	}
	return clock(e.At, zone, now) + " " + text
}

// clock is an instant by the room's clock, with its day where that isn't today.
func clock(at time.Time, zone *time.Location, now time.Time) string {
	at, now = at.In(zone), now.In(zone)
	if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04")
	}
	return at.Format("02.01 15:04")
}

var stamp = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)`)

// inZone writes the instants of a line by the room's clock.
func inZone(text string, zone *time.Location, now time.Time) string {
	return stamp.ReplaceAllStringFunc(text, func(s string) string {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return s
		}
		return clock(at, zone, now)
	})
}

var personal = regexp.MustCompile(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\+\d(?:[ ()-]{0,2}\d){8,}`)

// Discreet is a text without the mail addresses and phone numbers that somebody
// may have written into it: a room has more readers than the store.
func Discreet(text string) string { return personal.ReplaceAllString(text, "…") }
