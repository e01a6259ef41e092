package inventory

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// longDocument has enough servers to be cut, written in all ways, and faults at some.
func longDocument(indent string, faulty bool) string {
	var b strings.Builder
	b.WriteString("# the estate\nversion: 1\nvantages: [outside]\nsites:\n  - {id: msk, timezone: Europe/Moscow, vantages: [msk]}\ncomponents: # all of it\n\n")
	item := func(format string, args ...any) {
		b.WriteString(indent + "- " + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n"+indent+"  ") + "\n")
	}
	item("{id: room, kind: room, in: msk}")
	item("{id: rack, kind: rack, in: room}")
	for n := range longFrom {
		id := fmt.Sprintf("s%05d", n)
		switch {
		case faulty && n%701 == 3:
			item("{id: %s, kind: server, in: rak, client: c}", id)
		case faulty && n%701 == 4:
			item("id: %s\nkind: server\nin: rack\ncolour: red", id)
		case faulty && n == 905:
			item("{id: s00001, kind: server, in: rack, client: c, needs: {power: [nobody, nothing]}}")
		case n%5 == 0:
			item("id: %s\nkind: server # - not an item\n\nin: rack\nclient: c\nlabel: |\n  - not an item\n  either", id)
		case n%5 == 1:
			item("id: %s\nkind: server\nin: rack\nclient: c\nname:\n  en: \"a name\n    - in two lines\"\n  ru: имя", id)
		case n%5 == 2:
			b.WriteString("# a remark that stands out\n")
			item("{id: %s, kind: server, in: rack,\n client: c, probe: {address: 10.0.%d.%d, icmp: true}}", id, n>>8, n&255)
		case n%5 == 3:
			b.WriteString(indent + "-\n" + indent + "    id: " + id + "\n" + indent + "    kind: server\n" + indent + "    in: rack\n" + indent + "    client: c\n")
		default:
			item("{id: %s, kind: server, in: rack, unit: %d, client: c}", id, n%40+1)
		}
	}
	b.WriteString("clients:\n  - {id: c, name: C, language: en, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}\n")
	return b.String()
}

func loadBy(t *testing.T, text string, apart func([]byte) ([]byte, *long)) (*Inventory, error) {
	t.Helper()
	r, problems, err := read([]Document{{Name: "estate.yaml", Data: []byte(text)}}, apart)
	if err != nil {
		t.Fatal(err)
	}
	inv := &Inventory{}
	inv.index(r, problems)
	return inv, problems.err()
}

func TestALongListReadsInPiecesAsItDoesAsAWhole(t *testing.T) {
	for _, indent := range []string{"", "  ", "    "} {
		text := longDocument(indent, false)
		if _, list := cut([]byte(text)); list == nil || len(list.lines) != longFrom+2 {
			t.Fatalf("indent %q: the list was not cut into its items", indent)
		}
		pieces, err := loadBy(t, text, cut)
		if err != nil {
			t.Fatal(err)
		}
		together, err := loadBy(t, text, whole)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(pieces, together) {
			t.Errorf("indent %q: the inventories differ", indent)
		}
	}
}

func TestALongListHasItsProblemsAtTheSamePlaces(t *testing.T) {
	text := longDocument("  ", true)
	_, pieces := loadBy(t, text, cut)
	_, together := loadBy(t, text, whole)
	if pieces == nil || together == nil || pieces.Error() != together.Error() {
		t.Errorf("in pieces:\n%v\nas a whole:\n%v", pieces, together)
	}
	for _, part := range []string{"components[s00003].in: rak is unknown", "colour: unknown field", "s00001 is already used at estate.yaml:", "components[s00001].needs.power[1]: nothing is unknown"} {
		if pieces != nil && !strings.Contains(pieces.Error(), part) {
			t.Errorf("lacks %q in\n%v", part, pieces)
		}
	}
}

func TestWhatCanNotBeCutIsReadAsAWhole(t *testing.T) {
	good := longDocument("  ", false)
	for name, text := range map[string]string{
		"a quoted text goes on at an item's place": strings.Replace(good, "{id: s00004, kind: server,", "{id: s00004, label: \"one\n  - two\", kind: server,", 1),
		"an anchor is used beyond its piece":       strings.Replace(strings.Replace(good, "id: s00005\n", "id: &a s00005\n", 1), "id: s01900\n", "id: *a\n", 1),
		"the syntax is wrong":                      strings.Replace(good, "{id: s01999,", "{id: s01999", 1),
		"there are two documents":                  good + "---\nversion: 1\n",
		"the list comes twice":                     good + "components:\n  - {id: more, kind: rack, in: room}\n",
	} {
		_, got := Load(Document{Name: "estate.yaml", Data: []byte(text)})
		_, want := loadBy(t, text, whole)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n%v\nwant\n%v", name, got, want)
		}
	}
}
