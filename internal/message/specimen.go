package message

import "time"

// Specimen is a message with every field set: a template that can't be
// rendered from it doesn't fit Data.
func Specimen() Data {
	at := time.Date(2026, time.March, 5, 1, 30, 0, 0, time.UTC)
	return Data{
		Client: "ООО «Пример»", Contact: "Дежурный", Zone: "Europe/Moscow", Now: at,
		Incident: "i-1", Report: "r-1", Severity: "sev2", Status: "identified", Team: "Смена",
		Finding: "выключен сервер", Servers: []Server{{ID: "srv-1", Label: "A-1", Place: "Москва"}},
		Total: 24, Checked: 12, Down: 3, Restored: 6, Clients: 9,
		Sites: []SiteCount{{Name: "Москва", Total: 24, Checked: 12, Down: 3}},
		ETA:   at.Add(time.Hour), NextUpdateMinutes: 30,
		AckCode: "4F7K2M", AckURL: "https://example.net/a/1", CalendarURL: "https://example.net/c/1.ics",
		Work: Work{ID: "m-1", Title: "Замена ввода", StartsAt: at, EndsAt: at.Add(time.Hour), AnnouncedAt: at.AddDate(0, 0, -7), Impact: "outage", Degraded: 2, Phase: "finished", Why: "Меняем автомат.", Times: 4, ConfirmedAt: at, ConfirmedBy: "Анна"},
		Question: Question{
			Text: "Горит ли лампа блока питания, который включён в PDU B?", Short: "лампа БП от PDU B горит?", What: "сервер srv-1", Label: "A-1",
			Place: "Москва, зал 1, стойка 1, юнит 7", Spot: "стойка 1 U7 A-1", Reminder: true, Answer: "нет",
		},
		TakenBy: "Анна", Text: "У меня лежит сервер", URL: "https://example.net/p/1",
	}
}
