// Package crowd makes an inventory with as many clients as a test of a mass
// message wants: one site, one machine a client, one contact each.
package crowd

import (
	"bytes"
	"fmt"
	"strings"

	"vakhta/internal/inventory"
)

// Site is the one site, Component what takes every machine down when it fails.
const (
	Site      = "msk"
	Component = "msk-r1"
	Team      = "emergency"
	OnCall    = "ivan"
	// OnCallNumber is where the engineer on call is paged.
	OnCallNumber = "+79000000000"
)

// perRack is how many machines stand in a rack.
const perRack = 40

// Options choose the crowd.
type Options struct {
	Clients int
	// Ladder of the i-th client's contact; nil: email, every third telegram, every fifth SMS first.
	Ladder func(i int) []inventory.Channel
}

// Mixed is the ladder of a crowd as providers have it: most by email, some by
// messenger, some by SMS, all with the next channel behind.
func Mixed(i int) []inventory.Channel {
	switch {
	case i%5 == 0:
		return []inventory.Channel{inventory.SMS, inventory.Email}
	case i%3 == 0:
		return []inventory.Channel{inventory.Telegram, inventory.SMS}
	default:
		return []inventory.Channel{inventory.Email, inventory.SMS}
	}
}

// By is the ladder of a crowd that all have one channel.
func By(ch inventory.Channel) func(int) []inventory.Channel {
	return func(int) []inventory.Channel { return []inventory.Channel{ch} }
}

// Address is the i-th contact's address.
func Address(i int, ch inventory.Channel) string {
	switch ch {
	case inventory.Email:
		return fmt.Sprintf("duty@c%05d.example", i)
	case inventory.SMS, inventory.Call:
		return fmt.Sprintf("+7900%07d", i+1)
	default:
		return fmt.Sprint(100_000 + i)
	}
}

// Document is the inventory.
func Document(opts Options) inventory.Document {
	ladder := opts.Ladder
	if ladder == nil {
		ladder = Mixed
	}
	var components, clients bytes.Buffer
	for i := range opts.Clients {
		if i%perRack == 0 {
			fmt.Fprintf(&components, "  - {id: k%04d, kind: rack, in: %s}\n", i/perRack, Component)
		}
		fmt.Fprintf(&components, "  - {id: srv-%05d, kind: server, in: k%04d, unit: %d, client: c%05d, label: \"VK-%05d\", probe: {address: 127.20.%d.%d, tcp: [22]}}\n",
			i, i/perRack, i%perRack+1, i, i, i/250%250, i%250+1)
		language, name := "ru", fmt.Sprintf("ООО «Клиент %d»", i)
		if i%4 == 0 {
			language, name = "en", fmt.Sprintf("Client %d Ltd", i)
		}
		var addresses, rungs []string
		for _, ch := range ladder(i) {
			addresses = append(addresses, fmt.Sprintf("%s: %q", ch, Address(i, ch)))
			rungs = append(rungs, string(ch))
		}
		fmt.Fprintf(&clients, "  - {id: c%05d, name: %q, language: %s, timezone: Europe/Moscow, contacts: [{id: c%05d-duty, name: Дежурный, language: %s, timezone: Europe/Moscow, addresses: {%s}, ladder: [%s]}]}\n",
			i, name, language, i, language, strings.Join(addresses, ", "), strings.Join(rungs, ", "))
	}
	var doc bytes.Buffer
	fmt.Fprintf(&doc, "# A crowd of the lab: generated, do not edit.\nversion: 1\nsites:\n  - {id: %s, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow, vantages: [msk]}\n", Site)
	fmt.Fprintf(&doc, "components:\n  - {id: %s, kind: room, in: %s}\n%sclients:\n%s", Component, Site, components.Bytes(), clients.Bytes())
	fmt.Fprintf(&doc, "teams:\n  - {id: %s, name: Emergency, members: [{id: %s, name: Иван, language: ru, timezone: Europe/Moscow, addresses: {sms: %q}, ladder: [sms]}], levels: [{members: [%s], ackWithin: 2m}], repeat: 2}\n",
		Team, OnCall, OnCallNumber, OnCall)
	return inventory.Document{Name: "crowd.yaml", Data: doc.Bytes()}
}
