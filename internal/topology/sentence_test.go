package topology_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func TestSentenceSaysAllOfAFinding(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 30, clients: 3, within: true}.load(t)
	var many []string
	for i := range 21 {
		many = append(many, fmt.Sprintf("srv-%06d", i))
	}
	for _, c := range []struct {
		f      topology.Finding
		ru, en string
	}{
		{
			topology.Finding{Component: "s0-r0-k00-pdu-a", Kind: inventory.KindPDU, Since: noon, Confidence: .7, Explains: many, Contradicts: []string{"srv-000022"}, AmbiguousWith: []string{"s0-r0-k00-sw"}},
			"Отказ: PDU s0-r0-k00-pdu-a (s0, зал 0, стойка K00), самое позднее с 15:00:00 1 марта (MSK); из-за него лежит 21 сервер у 3 клиентов; вероятно (70 %), возможно также: s0-r0-k00-sw; против этого: отвечает 1 сервер, который должен лежать (srv-000022); дальше: попросить на площадке посмотреть, горят ли на нём лампы и не выбит ли автомат.",
			"PDU s0-r0-k00-pdu-a (s0, room 0, rack K00) has failed, at least since 15:00:00 on 1 March (MSK); 21 servers of 3 clients are down because of it; likely (70%), it may also be s0-r0-k00-sw; against it: 1 server that should be down answers (srv-000022); next: have somebody see whether it is lit and its breaker closed.",
		},
		{
			topology.Finding{Component: "srv-000001", Kind: inventory.KindServer, Since: noon, Confidence: .99, PowerOff: true, Explains: []string{"srv-000001"}},
			"Сервер srv-000001 (s0, зал 0, стойка K00, юнит 2) выключен, самое позднее с 15:00:00 1 марта (MSK); почти наверняка (99 %); дальше: включить его через BMC, если только его не выключил владелец.",
			"Server srv-000001 (s0, room 0, rack K00, unit 2) is switched off, at least since 15:00:00 on 1 March (MSK); almost certain (99%); next: switch it on by its BMC, unless its owner switched it off.",
		},
		{
			topology.Finding{Component: "srv-000001", Kind: inventory.KindServer, Mode: topology.Flapping, Confidence: .9, Explains: []string{"srv-000001"}},
			"Сервер srv-000001 (s0, зал 0, стойка K00, юнит 2) то отвечает, то нет; весьма вероятно (90 %); дальше: прочитать журнал его BMC: температура, память, перезагрузки.",
			"Server srv-000001 (s0, room 0, rack K00, unit 2) answers now and then; very likely (90%); next: read the event log of its BMC: temperature, memory, restarts.",
		},
		{
			topology.Finding{Component: "s0-up0", Kind: inventory.KindUplink, Mode: topology.Lossy, Confidence: .5, Explains: many[:2], AmbiguousWith: []string{"s0-up1"}},
			"Магистральный канал s0-up0 (s0) теряет часть пакетов; из-за него отвечают не на все запросы 2 сервера у 2 клиентов; под вопросом (50 %), возможно также: s0-up1; дальше: вывести его из маршрутизации и звонить оператору связи.",
			"Uplink s0-up0 (s0) loses a part of its packets; 2 servers of 2 clients miss probes because of it; uncertain (50%), it may also be s0-up1; next: take it out of routing and call the carrier.",
		},
		{
			topology.Finding{Component: "s0-r0-k00", Kind: inventory.KindRack, Mode: topology.Heating, Confidence: .94, Explains: many[:1]},
			"s0, зал 0, стойка K00: перегрев, серверы отключаются один за другим; уже отключился 1 сервер у 1 клиента; весьма вероятно (94 %); дальше: звонить инженерам по холоду и выключить наименее важное.",
			"s0, room 0, rack K00 is overheating: its servers go down one after another; 1 server of 1 client is down already; very likely (94%); next: call the cooling engineers and switch off what matters least.",
		},
		{
			topology.Finding{Component: "s0-r0-k00-sw", Kind: inventory.KindSwitch, Mode: topology.Partial, Confidence: .94, Explains: many[:5]},
			"Частичный отказ: коммутатор s0-r0-k00-sw (s0, зал 0, стойка K00); из-за него лежат 5 серверов у 3 клиентов; весьма вероятно (94 %); дальше: посмотреть, какие порты лежат, и переставить их линейную карту.",
			"A part of switch s0-r0-k00-sw (s0, room 0, rack K00) has failed; 5 servers of 3 clients are down because of it; very likely (94%); next: look at which of its ports are down, then reseat their line card.",
		},
		{
			topology.Finding{Component: "s0-r0-k00", Kind: inventory.KindRack, Confidence: 1, Explains: many[:11]},
			"s0, зал 0, стойка K00: не работает целиком; из-за неё лежат 11 серверов у 3 клиентов; почти наверняка (99 %); дальше: попросить на площадке осмотреть стойку: сначала PDU, потом коммутатор.",
			"s0, room 0, rack K00 is down as a whole; 11 servers of 3 clients are down because of it; almost certain (99%); next: have somebody look at the rack: its PDUs, then its switch.",
		},
		{
			topology.Finding{
				Component: "s0-r0", Kind: inventory.KindRoom, Confidence: .99, Probability: .7, Explains: many, AmbiguousWith: []string{"s0-r0-k00-sw", "s0-r0-k00-pdu-a", "s0-r0-k00-pdu-b"},
				Alternatives: []topology.Alternative{{Components: []string{"s0-r0-k00-pdu-a", "s0-r0-k00-pdu-b"}, Probability: .2}, {Components: []string{"s0-r0-k00-sw"}, Probability: .09}},
			},
			"s0, зал 0: не работает целиком; из-за него лежит 21 сервер у 3 клиентов; вероятно (70 %), возможно также: s0-r0-k00-pdu-a и s0-r0-k00-pdu-b вместе или s0-r0-k00-sw; дальше: отправить дежурных в зал, начать с питания.",
			"s0, room 0 is down as a whole; 21 servers of 3 clients are down because of it; likely (70%), it may also be s0-r0-k00-pdu-a and s0-r0-k00-pdu-b together or s0-r0-k00-sw; next: send the site's crew to the room, power first.",
		},
	} {
		if got := topology.Sentence(inv, c.f, inventory.Russian); got != c.ru {
			t.Errorf("ru\n%s\nwant\n%s", got, c.ru)
		}
		if got := topology.Sentence(inv, c.f, inventory.English); got != c.en {
			t.Errorf("en\n%s\nwant\n%s", got, c.en)
		}
	}
	if got := topology.DescribeBlind(inv, "s0-in", inventory.Russian); !strings.HasPrefix(got, "Точка наблюдения s0-in (s0) не видит ничего") {
		t.Errorf("blind: %s", got)
	}
}

// A name that begins with the noun of its kind does not have it said twice: "ввод A", not "ввод питания ввод A".
func TestAKindIsNotSaidTwice(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "feed.yaml", Data: []byte(`version: 1
sites: [{id: s, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow}]
clients: [{id: c, language: ru, timezone: UTC, contacts: [{id: d, addresses: {telegram: "1"}}]}]
components:
  - {id: r, kind: room, in: s, name: {ru: зал 1, en: room 1}}
  - {id: f-a, kind: feed, in: r, name: {ru: ввод A, en: power feed A}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	f := topology.Finding{Component: "f-a", Kind: inventory.KindFeed}
	if got, want := topology.Headline(inv, f, inventory.Russian), "Отказ: ввод A f-a (Москва, зал 1)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := topology.Headline(inv, f, inventory.English), "Power feed A f-a (Moscow, room 1) has failed"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Every kind and mode has a sentence that says what to do, in its own language.
func TestEverySentenceEndsWithWhatToDo(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 1, servers: 2, clients: 1}.load(t)
	latin := regexp.MustCompile(`дальше: [A-Za-z]`)
	for _, kind := range []inventory.Kind{
		inventory.KindSite, inventory.KindRoom, inventory.KindRack, inventory.KindFeed, inventory.KindPDU, inventory.KindPhase,
		inventory.KindUplink, inventory.KindSwitch, inventory.KindCard, inventory.KindHypervisor, inventory.KindServer,
	} {
		for _, mode := range []topology.Mode{"", topology.Flapping, topology.Lossy, topology.Heating, topology.Partial} {
			f := topology.Finding{Component: "srv-000001", Kind: kind, Mode: mode, Confidence: .9, Since: noon}
			en, ru := topology.Sentence(inv, f, inventory.English), topology.Sentence(inv, f, inventory.Russian)
			if strings.HasSuffix(en, "next: .") || strings.HasSuffix(ru, "дальше: .") || latin.MatchString(ru) || strings.Count(en, ". ")+strings.Count(ru, ". ") > 0 {
				t.Errorf("%s %s: %s / %s", kind, mode, en, ru)
			}
		}
	}
}

func TestASentenceSaysBetweenWhichLooksItFailed(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 1, servers: 3, clients: 1}.load(t)
	for _, c := range []struct {
		worked time.Duration // before
		ru, en string
	}{
		{4 * time.Minute, ", между 14:56 и 15:00 1 марта (MSK);", ", between 14:56 and 15:00 on 1 March (MSK);"},
		{16 * time.Hour, ", между 23:00 28 февраля и 15:00 1 марта (MSK);", ", between 23:00 on 28 February and 15:00 on 1 March (MSK);"},
		{20 * time.Second, ", с 15:00:00 1 марта (MSK);", ", since 15:00:00 on 1 March (MSK);"},
		{50 * time.Hour, ", самое позднее с 15:00:00 1 марта (MSK);", ", at least since 15:00:00 on 1 March (MSK);"},
	} {
		f := topology.Finding{Component: "s0-r0-k00-sw", Kind: inventory.KindSwitch, Since: noon, Worked: noon.Add(-c.worked), Confidence: .9}
		if ru := topology.Sentence(inv, f, inventory.Russian); !strings.Contains(ru, c.ru) {
			t.Errorf("%s is not in %s", c.ru, ru)
		}
		if en := topology.Sentence(inv, f, inventory.English); !strings.Contains(en, c.en) {
			t.Errorf("%s is not in %s", c.en, en)
		}
	}
}

func TestAFindingKnowsWhenItLastWorked(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 10, clients: 1}.load(t)
	g := topology.New(inv)
	look := func(at time.Time, lost ...string) []topology.Observation {
		rows := newWorld(inv, lost...).look(nil)
		for i := range rows {
			rows[i].At = at
		}
		return rows
	}
	rows := slices.Concat(look(noon.Add(-8*time.Minute)), look(noon.Add(-4*time.Minute)), look(noon, "s0-r0-k01-sw"))
	sifted := g.Sift(rows, nil)
	inf := g.InferSifted(&sifted)
	if len(inf.Findings) != 1 || !inf.Findings[0].Since.Equal(noon) || !inf.Findings[0].Worked.Equal(noon.Add(-4*time.Minute)) {
		t.Fatalf("want the switch, well at the look before: %s", story(&inf))
	}
	sifted = g.Sift(look(noon, "s0-r0-k01-sw"), nil)
	if inf := g.InferSifted(&sifted); !inf.Findings[0].Worked.IsZero() {
		t.Errorf("nothing tells when it worked, but %s", inf.Findings[0].Worked)
	}
}
