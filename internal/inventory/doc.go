// Package inventory holds what a hosting provider owns and whom it serves:
// components and the dependency groups between them, clients and their
// contacts, the teams that are on call. It is pure knowledge: it imports
// nothing of Vakhta's and touches nothing but the documents that it loads.
//
// An inventory is one or several YAML documents, merged:
//
//	version: 1
//	sites:
//	  - {id: msk, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow, vantages: [msk]}
//	components:
//	  - {id: msk-r1, kind: room, in: msk}
//	  - {id: msk-r1-k01, kind: rack, in: msk-r1}
//	  - {id: pdu-a, kind: pdu, in: msk-r1-k01, probe: {snmp: {address: 127.11.1.1, credentials: "env:LAB_SNMP", outlets: {"7": srv-0001}}}}
//	  - {id: pdu-b, kind: pdu, in: msk-r1-k01}
//	  - {id: sw-1, kind: switch, in: msk-r1-k01, needs: {power: [pdu-a, pdu-b]}, probe: {snmp: {address: 127.11.1.3, credentials: "env:LAB_SNMP", ports: {Gi1/0/7: srv-0001}}}}
//	  - id: srv-0001
//	    kind: server
//	    in: msk-r1-k01
//	    unit: 12
//	    client: acme
//	    label: A-17
//	    needs: {power: [pdu-a, pdu-b], network: [sw-1]}
//	    probe: {address: 127.10.1.1, tcp: [10022], bmc: {url: "http://127.10.1.1:10443", credentials: "env:LAB_BMC", supplies: {PSU1: pdu-a, PSU2: pdu-b}}}
//	clients:
//	  - id: acme
//	    name: ООО «Ромашка»
//	    language: ru
//	    timezone: Europe/Moscow
//	    contacts:
//	      - {id: acme-duty, addresses: {telegram: "1001", email: duty@acme.example}, ladder: [telegram, email]}
//	teams:
//	  - id: emergency
//	    members: [{id: ivan, language: ru, timezone: Europe/Moscow, addresses: {call: "+79001234567"}}]
//	    levels: [{members: [ivan], ackWithin: 2m}]
//	    repeat: 2
//
// A component works if it is healthy itself and every group that it needs has
// a working member; the component that it is in is a group named "location".
// A site is a component of kind site. A contact takes language and time zone
// from its client; a team's member has "en" and "UTC" unless it says otherwise.
//
// Load reports every problem that it finds, each with file, line, column and
// field, and never prints an address or a phone number: those are personal data.
// [Schema] returns the JSON Schema of a document, for editors and CI.
package inventory
