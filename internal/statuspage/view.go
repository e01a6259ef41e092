package statuspage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/message"
)

// view is the page in one language.
type view struct {
	Lang        inventory.Language
	Other, Link string // the other language: its name, and where it is
	Title, Name string
	Banner      string
	Bad, Away   bool
	Sites       []siteView
	Open, Past  []eventView
	Works       []workView
	Words       map[string]string
	At          string
}

type siteView struct {
	Name, State string
	Class       State
}

type eventView struct {
	Title, Status, When, Machines, ETA string
	Class                              incident.Status
}

type workView struct {
	Title, When, Sites string
	Running            bool
}

var words = map[inventory.Language]map[string]string{
	inventory.English: {
		"title": "Status", "allWell": "Everything works", "someBad": "Something has failed", "atWork": "Planned work is under way", "away": "The status can't be shown now. This page tries again.",
		"sites": "Sites", "now": "Now", "works": "Planned work", "past": "The last seven days", "nothing": "Nothing.", "asOf": "As of", "other": "По-русски",
		"running": "under way", "foot": "This page renews itself each minute. If a machine of yours does not answer and nothing here explains it, write to us.",
		"well": "works", "planned-work": "planned work", "degraded": "something has failed", "down": "is down",
		"investigating": "We are looking for the cause", "identified": "The cause is known, we are mending it", "monitoring": "Mended, we are watching", "resolved": "Over",
	},
	inventory.Russian: {
		"title": "Состояние", "allWell": "Всё работает", "someBad": "Есть неисправность", "atWork": "Идут плановые работы", "away": "Состояние сейчас не показать. Страница попробует ещё раз.",
		"sites": "Площадки", "now": "Сейчас", "works": "Плановые работы", "past": "За последние семь дней", "nothing": "Ничего.", "asOf": "На", "other": "In English",
		"running": "идут", "foot": "Страница обновляется каждую минуту. Если ваш сервер не отвечает, а здесь об этом ничего нет, напишите нам.",
		"well": "работает", "planned-work": "плановые работы", "degraded": "есть неисправность", "down": "не работает",
		"investigating": "Ищем причину", "identified": "Причина известна, устраняем", "monitoring": "Устранено, наблюдаем", "resolved": "Закончилось",
	},
}

var troubles = map[inventory.Language]map[Trouble]string{
	inventory.English: {
		WholeSite: "the whole site is down", WholeRoom: "the whole room is down", Rack: "a rack is down", Power: "power failure", Network: "network failure",
		Uplink: "the site's connection has failed", Host: "a host of virtual machines is down", Unknown: "some servers do not answer",
	},
	inventory.Russian: {
		WholeSite: "не работает вся площадка", WholeRoom: "не работает весь зал", Rack: "не работает стойка", Power: "неисправность питания", Network: "неисправность сети",
		Uplink: "неисправна связь с площадкой", Host: "не работает узел виртуальных машин", Unknown: "не отвечает часть серверов",
	},
}

func (p *Page) view(s Status, lang inventory.Language, err error) view {
	inv, w := p.Inventory, words[lang]
	v := view{Lang: lang, Other: w["other"], Link: "?lang=ru", Title: w["title"], Name: p.Name, Words: w, Banner: w["allWell"], Away: err != nil}
	if lang == inventory.Russian {
		v.Link = "?lang=en"
	}
	if err != nil {
		v.Banner, v.Bad = w["away"], true
		return v
	}
	v.At = w["asOf"] + " " + s.At.UTC().Format("15:04:05 UTC")
	for _, site := range s.Sites {
		v.Sites = append(v.Sites, siteView{Name: inv.SiteName(site.ID, lang), State: w[string(site.State)], Class: site.State})
	}
	for _, e := range s.Events {
		shown := eventOf(inv, e, lang)
		if e.Status == incident.Resolved {
			v.Past = append(v.Past, shown)
		} else {
			v.Open = append(v.Open, shown)
		}
	}
	for _, work := range s.Works {
		v.Works = append(v.Works, workOf(inv, work, lang))
	}
	switch {
	case len(v.Open) > 0:
		v.Banner, v.Bad = w["someBad"], true
	case slices.ContainsFunc(s.Works, func(w Work) bool { return w.Running }):
		v.Banner = w["atWork"]
	}
	return v
}

func eventOf(inv *inventory.Inventory, e Event, lang inventory.Language) eventView {
	w, zone := words[lang], zoneOf(inv, e.Site)
	place := inv.SiteName(e.Site, lang)
	if room := e.roomName.In(lang); room != "" {
		place += ", " + room
	}
	v := eventView{Title: place + ": " + troubles[lang][e.What], Status: w[string(e.Status)], Class: e.Status}
	since, until, eta, machines := "since %s", "%s – %s", "Expected to be over: %s.", "Servers: %d, of which %d answer again."
	if lang == inventory.Russian {
		since, until, eta, machines = "с %s", "%s – %s", "Ожидаем окончания: %s.", "Серверов: %d, снова отвечают: %d."
	}
	v.When = fmt.Sprintf(since, instant(e.Since, zone, lang))
	if e.Status == incident.Resolved {
		v.When = fmt.Sprintf(until, instant(e.Since, zone, lang), instant(e.ResolvedAt, zone, lang))
	}
	if !e.ETA.IsZero() && e.Status != incident.Resolved {
		v.ETA = fmt.Sprintf(eta, instant(e.ETA, zone, lang))
	}
	if e.Servers > 0 && e.Status != incident.Resolved {
		v.Machines = fmt.Sprintf(machines, e.Servers, e.Restored)
	}
	return v
}

func workOf(inv *inventory.Inventory, work Work, lang inventory.Language) workView {
	v := workView{Title: work.Title.In(lang), Running: work.Running}
	var names []string
	zone := time.UTC
	for i, site := range work.Sites {
		names = append(names, inv.SiteName(site, lang))
		if i == 0 {
			zone = zoneOf(inv, site)
		}
	}
	v.Sites = strings.Join(names, ", ")
	v.When = instant(work.StartsAt, zone, lang) + " – " + instant(work.EndsAt, zone, lang)
	return v
}

func zoneOf(inv *inventory.Inventory, site string) *time.Location {
	if s, ok := inv.Site(site); ok {
		if zone, err := time.LoadLocation(s.TimeZone); err == nil {
			return zone
		}
	}
	return time.UTC
}

// instant is a moment by the clock of the site.
func instant(at time.Time, zone *time.Location, lang inventory.Language) string {
	return message.Moment(at.In(zone), lang)
}
