package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/inventory"
)

// Sentence says all of a finding in one sentence: what failed and how, where,
// since when, what it takes down, how sure that is, what contradicts it, what
// to do next. [Describe] is the short form, [Headline] the shortest.
func Sentence(inv *inventory.Inventory, f Finding, lang inventory.Language) string {
	var b strings.Builder
	b.WriteString(Headline(inv, f, lang))
	if c, ok := inv.Component(f.Component); ok && c.Label != "" && inv.Name(f.Component, lang) != f.Component {
		b.WriteString(" [" + c.Label + "]")
	}
	b.WriteString(sinceWords(inv, f, lang))
	b.WriteString(impact(inv, f, lang))
	if lang == inventory.Russian {
		fmt.Fprintf(&b, "; %s (%d %%)", sureness(f.Itself(), lang), Percent(f.Itself()))
		if len(f.AmbiguousWith) > 0 {
			b.WriteString(", возможно также: " + rivals(&f, lang))
		}
		if n := len(f.Contradicts); n > 0 {
			fmt.Fprintf(&b, "; против этого: %s %d %s, %s лежать (%s)", agree(n, "отвечает", "отвечают"), n, russianServers(n),
				agree(n, "который должен", "которые должны"), listed(f.Contradicts, "и", "другие"))
		}
		b.WriteString("; дальше: ")
	} else {
		fmt.Fprintf(&b, "; %s (%d%%)", sureness(f.Itself(), lang), Percent(f.Itself()))
		if len(f.AmbiguousWith) > 0 {
			b.WriteString(", it may also be " + rivals(&f, lang))
		}
		if n := len(f.Contradicts); n > 0 {
			fmt.Fprintf(&b, "; against it: %s that should be down %s (%s)", count(n, "server"), verb(n, "answers", "answer"), listed(f.Contradicts, "and", "others"))
		}
		b.WriteString("; next: ")
	}
	return b.String() + Advice(inv, f, lang) + "."
}

var russianMonths = [12]string{
	"января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря",
}

// longestGap is between when something was last seen working and first seen failing, for
// the first to say anything of when it failed.
const longestGap = 24 * time.Hour

// sinceWords says when it failed, in the time zone of the component's site: the instant
// at which it was seen, or between which looks that was.
func sinceWords(inv *inventory.Inventory, f Finding, lang inventory.Language) string {
	if f.Since.IsZero() {
		return ""
	}
	zone := time.UTC
	if c, ok := inv.Component(f.Component); ok {
		site := c.Site
		if c.Kind == inventory.KindSite {
			site = c.ID
		}
		if s, ok := inv.Site(site); ok {
			if local, err := time.LoadLocation(s.TimeZone); err == nil {
				zone = local
			}
		}
	}
	at, was := f.Since.In(zone), f.Worked.In(zone)
	day := func(t time.Time) string {
		if lang == inventory.Russian {
			return fmt.Sprintf("%d %s", t.Day(), russianMonths[t.Month()-1])
		}
		return t.Format("on 2 January")
	}
	if gap := at.Sub(was); f.Worked.IsZero() || gap < time.Minute || gap > longestGap {
		least, leastRussian := "", ""
		if gap >= time.Minute { // nobody looked before, or long before
			least, leastRussian = "at least ", "самое позднее "
		}
		if lang == inventory.Russian {
			return fmt.Sprintf(", %sс %s %s (%s)", leastRussian, at.Format("15:04:05"), day(at), at.Format("MST"))
		}
		return fmt.Sprintf(", %ssince %s %s (%s)", least, at.Format("15:04:05"), day(at), at.Format("MST"))
	}
	first := was.Format("15:04")
	if was.YearDay() != at.YearDay() {
		first += " " + day(was)
	}
	if lang == inventory.Russian {
		return fmt.Sprintf(", между %s и %s %s (%s)", first, at.Format("15:04"), day(at), at.Format("MST"))
	}
	return fmt.Sprintf(", between %s and %s %s (%s)", first, at.Format("15:04"), day(at), at.Format("MST"))
}

// impact says how many servers a finding takes down, and with an inventory how
// many clients' these are; nothing of a machine by itself.
func impact(inv *inventory.Inventory, f Finding, lang inventory.Language) string {
	n := f.Impact()
	if f.Kind == inventory.KindServer && n <= 1 {
		return ""
	}
	clients := clientsOf(inv, f.Explains)
	if f.Cut() {
		clients = 0 // some are theirs that are not named
	}
	if lang == inventory.Russian {
		it := "него"
		if feminine(f.Kind) {
			it = "неё"
		}
		if n == 0 {
			return "; ни один сервер из-за " + it + " не лежит"
		}
		whose := ""
		if clients > 0 {
			whose = fmt.Sprintf(" у %d %s", clients, agree(clients, "клиента", "клиентов"))
		}
		how := agree(n, "лежит", "лежат")
		switch f.Mode {
		case Lossy:
			how = agree(n, "отвечает не на все запросы", "отвечают не на все запросы")
		case Flapping:
			how = agree(n, "то пропадает, то появляется", "то пропадают, то появляются")
		case Heating:
			return fmt.Sprintf("; уже %s %d %s%s", agree(n, "отключился", "отключились"), n, russianServers(n), whose)
		}
		return fmt.Sprintf("; из-за %s %s %d %s%s", it, how, n, russianServers(n), whose)
	}
	if n == 0 {
		return "; no server is down because of it"
	}
	whose := ""
	if clients > 0 {
		whose = " of " + count(clients, "client")
	}
	how := verb(n, "is", "are") + " down because of it"
	switch f.Mode {
	case Lossy:
		how = verb(n, "misses", "miss") + " probes because of it"
	case Flapping:
		how = verb(n, "comes and goes", "come and go") + " with it"
	case Heating:
		how = verb(n, "is", "are") + " down already"
	}
	return fmt.Sprintf("; %s%s %s", count(n, "server"), whose, how)
}

func clientsOf(inv *inventory.Inventory, servers []string) int {
	if inv == nil {
		return 0
	}
	clients := map[string]bool{}
	for _, id := range servers {
		if c, ok := inv.Component(id); ok && c.Client != "" {
			clients[c.Client] = true
		}
	}
	return len(clients)
}

func feminine(k inventory.Kind) bool {
	return k == inventory.KindSite || k == inventory.KindRack || k == inventory.KindPhase || k == inventory.KindCard
}

// agree is the form that goes with 1, 21, 31…, or that with all other numbers.
func agree(n int, one, many string) string {
	if n%10 == 1 && n%100 != 11 {
		return one
	}
	return many
}

// say is a text in both languages.
type say struct{ en, ru string }

func (s say) in(lang inventory.Language) string {
	if lang == inventory.Russian {
		return s.ru
	}
	return s.en
}

// todo is what to do next about what failed as a whole, by kind.
var todo = map[inventory.Kind]say{
	inventory.KindSite:       {"call the site, its electricians and the carriers", "звонить на площадку, энергетикам и операторам связи"},
	inventory.KindRoom:       {"send the site's crew to the room, power first", "отправить дежурных в зал, начать с питания"},
	inventory.KindRack:       {"have somebody look at the rack: its PDUs, then its switch", "попросить на площадке осмотреть стойку: сначала PDU, потом коммутатор"},
	inventory.KindFeed:       {"call the electricians: breaker, UPS and transfer switch of the feed", "звонить энергетикам: автомат, ИБП и АВР этого ввода"},
	inventory.KindPDU:        {"have somebody see whether it is lit and its breaker closed", "попросить на площадке посмотреть, горят ли на нём лампы и не выбит ли автомат"},
	inventory.KindPhase:      {"have somebody check the breaker and the load of this phase", "попросить на площадке проверить автомат и нагрузку этой фазы"},
	inventory.KindUplink:     {"call the carrier", "звонить оператору связи"},
	inventory.KindSwitch:     {"see by its console, or on site, whether it runs, then restart it", "посмотреть через консоль или на месте, работает ли он, и перезапустить"},
	inventory.KindCard:       {"reseat the card, or replace it", "переставить карту, не поможет — заменить"},
	inventory.KindHypervisor: {"look at its console, then restart it by its BMC", "посмотреть его консоль и перезапустить через BMC"},
}

// todoInPart is the same of what failed in part.
var todoInPart = map[Mode]map[inventory.Kind]say{
	Flapping: {
		inventory.KindServer: {"read the event log of its BMC: temperature, memory, restarts", "прочитать журнал его BMC: температура, память, перезагрузки"},
		"":                   {"read its log for restarts and look at its power", "поискать в его журнале перезапуски и проверить питание"},
	},
	Lossy: {
		inventory.KindUplink: {"take it out of routing and call the carrier", "вывести его из маршрутизации и звонить оператору связи"},
		"":                   {"look at errors and discards of its ports, then change optics or cable", "посмотреть ошибки и отброшенные пакеты на портах, заменить модуль или кабель"},
	},
	Heating: {
		"": {"call the cooling engineers and switch off what matters least", "звонить инженерам по холоду и выключить наименее важное"},
	},
	Partial: {
		inventory.KindPDU: {"have somebody see which of its phases or outlets are dark", "попросить на площадке посмотреть, какие фазы или розетки обесточены"},
		"":                {"look at which of its ports are down, then reseat their line card", "посмотреть, какие порты лежат, и переставить их линейную карту"},
	},
}

// Advice is what to do next about a finding, as a clause without a full stop.
func Advice(inv *inventory.Inventory, f Finding, lang inventory.Language) string {
	if kinds := todoInPart[f.Mode]; kinds != nil {
		if s, ok := kinds[f.Kind]; ok {
			return s.in(lang)
		}
		return kinds[""].in(lang)
	}
	if f.Kind == inventory.KindServer {
		return adviceOnServer(inv, f).in(lang)
	}
	return todo[f.Kind].in(lang)
}

func adviceOnServer(inv *inventory.Inventory, f Finding) say {
	c, ok := inv.Component(f.Component)
	power := func(hands bool, r Result) bool {
		return slices.ContainsFunc(f.Evidence, func(e Evidence) bool { return e.Probe == ProbePower && e.Hands == hands && e.Result == r })
	}
	told := func(r Result) bool { return power(false, r) }
	host := hostOf(inv, c)
	switch hasBMC := ok && c.Probe.BMC.Given(); {
	case f.Unserving() != "":
		return say{"look at the service itself: the machine answers", "посмотреть сам сервис: машина отвечает"}
	case f.PowerOff && host != "":
		return say{"start it on " + host + ", unless its owner stopped it", "запустить его на " + host + ", если только его не остановил владелец"}
	case host != "":
		return say{"look at its console on " + host + ", then restart it there", "посмотреть его консоль на " + host + " и перезапустить его там"}
	case f.PowerOff && hasBMC:
		return say{"switch it on by its BMC, unless its owner switched it off", "включить его через BMC, если только его не выключил владелец"}
	case f.PowerOff:
		return say{"have somebody switch it on, unless its owner switched it off", "попросить на площадке включить его, если только его не выключил владелец"}
	case f.ShutPort():
		return say{"find out who shut its port, and why, then open it", "выяснить, кто и зачем выключил его порт, и включить"}
	case told(Up) && hasBMC:
		return say{"look at its console, then restart it by its BMC", "посмотреть его консоль и перезапустить через BMC"}
	case power(true, Down):
		return say{"have somebody check its outlets and cables, then its power supplies", "попросить на площадке проверить его розетки и кабели, затем блоки питания"}
	case power(true, Up):
		return say{"have somebody look at its screen, then restart it", "попросить на площадке посмотреть, что на его экране, и перезапустить его"}
	case told(Unknown) || told(Down):
		return say{"have somebody look at the lamps of its power supplies", "попросить на площадке посмотреть, горят ли лампы его блоков питания"}
	}
	return say{"have somebody look whether it is lit, and what its screen says", "попросить на площадке посмотреть, горит ли он и что на экране"}
}

// hostOf is the hypervisor that the machine is a guest of; "": none.
func hostOf(inv *inventory.Inventory, c *inventory.Component) string {
	if c == nil {
		return ""
	}
	for _, g := range c.Needs {
		for _, m := range g.Members {
			if host, ok := inv.Component(m); ok && host.Kind == inventory.KindHypervisor {
				return m
			}
		}
	}
	return ""
}

// DescribeBlind says of a blind vantage what that means.
func DescribeBlind(inv *inventory.Inventory, vantage string, lang inventory.Language) string {
	where := ""
	for _, s := range inv.Sites() {
		if slices.Contains(s.Vantages, vantage) {
			where = " (" + inv.SiteName(s.ID, lang) + ")"
		}
	}
	if lang == inventory.Russian {
		return fmt.Sprintf("Точка наблюдения %s%s не видит ничего из того, что видят другие: отказала её собственная сеть, её данные не учтены; дальше: проверить её канал и перезапустить её worker.", vantage, where)
	}
	return fmt.Sprintf("Vantage %s%s sees nothing of what others see: its own network has failed, and what it says doesn't count; next: look at its link and restart its worker.", vantage, where)
}
