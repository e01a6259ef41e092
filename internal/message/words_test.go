package message

import (
	"testing"
	"time"

	"vakhta/internal/inventory"
)

func TestPluralsAgree(t *testing.T) {
	russian := []string{"сервер", "сервера", "серверов"}
	english := []string{"server", "servers"}
	for _, c := range []struct {
		n      int
		ru, en string
	}{
		{0, "серверов", "servers"},
		{1, "сервер", "server"},
		{2, "сервера", "servers"},
		{4, "сервера", "servers"},
		{5, "серверов", "servers"},
		{11, "серверов", "servers"},
		{12, "серверов", "servers"},
		{14, "серверов", "servers"},
		{21, "сервер", "servers"},
		{22, "сервера", "servers"},
		{25, "серверов", "servers"},
		{101, "сервер", "servers"},
		{111, "серверов", "servers"},
		{112, "серверов", "servers"},
		{500, "серверов", "servers"},
		{18001, "сервер", "servers"},
	} {
		if got, err := choose(inventory.Russian, c.n, russian); err != nil || got != c.ru {
			t.Errorf("%d %s (%v), want %s", c.n, got, err, c.ru)
		}
		if got, err := choose(inventory.English, c.n, english); err != nil || got != c.en {
			t.Errorf("%d %s (%v), want %s", c.n, got, err, c.en)
		}
	}
	if _, err := choose(inventory.Russian, 1, english); err == nil {
		t.Error("two forms are enough for Russian")
	}
}

func TestIdsAreSpokenAndSentencesStay(t *testing.T) {
	for _, c := range []struct {
		lang     inventory.Language
		in, want string
	}{
		{inventory.Russian, "выключен сервер msk-r14-u07: Москва, стойка 14", "выключен сервер эм эс ка, эр, 14, у, 0 7: Москва, стойка 14"},
		{inventory.Russian, "отказ PDU pdu-12.", "отказ пэ дэ у пэ дэ у, 12."},
		{inventory.Russian, "Отказ PDU A: Москва, зал 3, стойка 3.02. Затронуто 24", "Отказ пэ дэ у A: Москва, зал 3, стойка 3, 0 2. Затронуто 24"},
		{inventory.English, "PDU A has failed: Moscow, rack 12.04", "PDU A has failed: Moscow, rack 12, 0 4"},
		{inventory.English, "server storage-7 is off", "server storage, 7 is off"},
		{inventory.Russian, "Санкт-Петербург, зал 2", "Санкт-Петербург, зал 2"},
		{inventory.Russian, "сервер «srv-0421»", "сервер «эс эр вэ, 0 4 2 1»"},
		{inventory.English, "server srv-0421 is off", "server S R V, 0 4 2 1 is off"},
	} {
		if got := speak(c.lang, c.in); got != c.want {
			t.Errorf("speak(%q) = %q, want %q", c.in, got, c.want)
		}
	}
	if got, want := say(inventory.Russian, "77RFHX"), "77, эр эф аш икс"; got != want {
		t.Errorf("say = %q, want %q", got, want)
	}
	if got, want := say(inventory.Russian, "4F7K2M"), "4, эф, 7, ка, 2, эм"; got != want {
		t.Errorf("say = %q, want %q", got, want)
	}
}

func TestCodesAreDictatedCharacterByCharacter(t *testing.T) {
	for _, c := range []struct {
		lang     inventory.Language
		in, want string
	}{
		{inventory.Russian, "57RFHX", "5, 7, эр, эф, аш, икс"},
		{inventory.English, "57RFHX", "5, 7, R, F, H, X"},
		{inventory.English, "0ABE11", "0, A, B, E, 1, 1"},
	} {
		if got := spell(c.lang, c.in); got != c.want {
			t.Errorf("spell(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestTimesAreInTheRecipientsZone(t *testing.T) {
	at := time.Date(2026, time.November, 23, 1, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		zone string
		lang inventory.Language
		now  time.Time
		want string
	}{
		{"Europe/Moscow", inventory.Russian, at, "04:30 МСК"},
		{"Europe/Moscow", inventory.English, at, "04:30 MSK"},
		{"Asia/Yekaterinburg", inventory.Russian, at, "06:30 UTC+5"},
		{"Asia/Kolkata", inventory.English, at, "07:00 IST"},
		{"Europe/Moscow", inventory.Russian, at.AddDate(0, 0, -1), "23 ноября, 04:30 МСК"},
		{"America/New_York", inventory.English, at, "20:30 EST"},
		{"Europe/Moscow", inventory.English, time.Time{}, "23 November, 04:30 MSK"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		v := &view{Now: c.now, as: setting{lang: c.lang, kind: Mail, zone: zone}}
		if got := v.When(at); got != c.want {
			t.Errorf("%s: %q, want %q", c.zone, got, c.want)
		}
	}
}

func TestTheElasticPartsOfAnSMSShareWhatIsLeft(t *testing.T) {
	v := &view{as: setting{lang: inventory.Russian, kind: SMS}}
	text := "А " + v.Fit("короткое") + " и " + v.Fit("очень длинное продолжение, которое никак не поместится в одно сообщение") + ". Код 4F7K2M"
	want := "А короткое и очень длинное продолжение, которое… Код 4F7K2M"
	if got := v.fit(text); got != want || utf16Length(got) > 62 {
		t.Errorf("%q (%d), want %q", got, utf16Length(got), want)
	}
}

func TestAFindingFollowsAColon(t *testing.T) {
	for _, c := range []struct {
		lang     inventory.Language
		in, want string
	}{
		{inventory.Russian, "Сервер msk-1 (Москва, зал 2) выключен", "сервер msk-1 (Москва, зал 2) выключен"},
		{inventory.Russian, "Коммутатор sw-1 не работает", "коммутатор sw-1 не работает"},
		{inventory.Russian, "PDU pdu-12 не работает", "PDU pdu-12 не работает"},
		{inventory.Russian, "Москва, зал 2: не отвечает целиком", "Москва, зал 2: не отвечает целиком"},
		{inventory.English, "Power feed b has failed", "power feed b has failed"},
		{inventory.English, "Moscow, room 2 is down as a whole", "Moscow, room 2 is down as a whole"},
	} {
		if got := midSentence(c.lang, c.in); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
