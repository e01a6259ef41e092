package config

import (
	"reflect"
	"testing"
)

// Every secret that a provider's settings have is read: one that was forgotten
// would be empty, and what it is for silently off.
func TestEverySecretOfAProviderIsRead(t *testing.T) {
	p := Providers{SendGrid: &SendGrid{}, SMTP: &SMTP{}, Twilio: &Twilio{}, Telegram: &Telegram{}, Slack: &Slack{}, Mattermost: &Mattermost{}}
	read := map[*Secret]bool{}
	for _, a := range p.accounts() {
		for _, s := range a.secrets {
			read[s] = true
		}
	}
	all := reflect.ValueOf(p)
	for i := range all.NumField() {
		v := all.Field(i)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			continue
		}
		for j := range v.Elem().NumField() {
			if s, ok := v.Elem().Field(j).Addr().Interface().(*Secret); ok && !read[s] {
				t.Errorf("%s.%s is never read", all.Type().Field(i).Name, v.Elem().Type().Field(j).Name)
			}
		}
	}
}
