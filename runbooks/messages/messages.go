// Package messages holds the message templates that ship with Vakhta, one
// folder per language: <lang>/<event>.<kind>.tmpl with the kinds mail,
// messenger, sms and voice; files that begin with an underscore are shared
// pieces. Package message describes what a template may use.
package messages

import (
	"embed"
	"io/fs"
)

//go:embed all:ru all:en layout.mail.html.tmpl
var files embed.FS

// FS returns the templates, as message.New wants them.
func FS() fs.FS { return files }
