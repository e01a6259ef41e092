package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/rs/zerolog"

	"vakhta/internal/acklink"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
)

// OptOutPage is where the recipient of a mail says that he wants no more of
// them. GET only shows, since mail scanners follow links. POST records: by the
// page's button, or by his mail program's (RFC 8058).
type OptOutPage struct {
	Notification func(ctx context.Context, id string) (ledger.Notification, error)
	// Out reports whether the notification's address is opted out, Wants changes that.
	Out    func(ctx context.Context, n ledger.Notification) (bool, error)
	Wants  func(ctx context.Context, n ledger.Notification, more bool) error
	Signer acklink.Signer
	Log    zerolog.Logger
}

// Register adds the page's routes.
func (o *OptOutPage) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /u/{token}", o.show)
	mux.HandleFunc("POST /u/{token}", o.record)
}

// optOutView is what the page shows.
type optOutView struct {
	Words map[string]string
	Out   bool
}

func (o *OptOutPage) show(w http.ResponseWriter, r *http.Request) {
	if n, ok := o.load(w, r); ok {
		o.render(w, r, n)
	}
}

func (o *OptOutPage) record(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" { // a foreign page's form
		o.refuse(w, r, http.StatusForbidden, "foreign")
		return
	}
	n, ok := o.load(w, r)
	if !ok {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxAnswer)
	more := r.PostFormValue("more") == "1"
	if err := o.Wants(r.Context(), n, more); err != nil {
		o.Log.Error().Err(err).Str("notification", n.ID).Msg("opt-out not recorded")
		o.refuse(w, r, http.StatusServiceUnavailable, "away")
		return
	}
	o.Log.Info().Str("notification", n.ID).Bool("more", more).Msg("a recipient of mails said whether he wants more")
	if r.PostFormValue("List-Unsubscribe") != "" { // a mail program follows no redirect
		o.render(w, r, n)
		return
	}
	headers(w)
	http.Redirect(w, r, r.URL.EscapedPath(), http.StatusSeeOther)
}

// load finds the notification of a token. Whatever is wrong with a token, the
// answer is the same.
func (o *OptOutPage) load(w http.ResponseWriter, r *http.Request) (n ledger.Notification, ok bool) {
	token := r.PathValue("token")
	id, err := acklink.Parse(token)
	if err == nil {
		n, err = o.Notification(r.Context(), id)
	}
	switch {
	case errors.Is(err, acklink.ErrInvalid), errors.Is(err, store.ErrNotFound), err == nil && o.Signer.VerifyOptOut(token, n.ID, n.Contact) != nil:
		o.refuse(w, r, http.StatusNotFound, "invalid")
		return n, false
	case err != nil:
		o.Log.Error().Err(err).Msg("notification not read")
		o.refuse(w, r, http.StatusServiceUnavailable, "away")
		return n, false
	}
	return n, true
}

func (o *OptOutPage) render(w http.ResponseWriter, r *http.Request, n ledger.Notification) {
	out, err := o.Out(r.Context(), n)
	if err != nil {
		o.Log.Error().Err(err).Msg("opt-out not read")
		o.refuse(w, r, http.StatusServiceUnavailable, "away")
		return
	}
	lang := language(n.Language)
	words := optOutWords[lang]
	show(w, o.Log, http.StatusOK, "optout", page{Language: string(lang), Title: words["title"], Bare: true, Content: optOutView{Words: words, Out: out}})
}

func (o *OptOutPage) refuse(w http.ResponseWriter, r *http.Request, code int, why string) {
	lang := readerLanguage(r)
	words := optOutWords[lang]
	show(w, o.Log, code, "message", page{Language: string(lang), Title: words["title"], Bare: true, Content: words[why]})
}

var optOutWords = map[inventory.Language]map[string]string{
	inventory.Russian: {
		"title": "Письма от дежурной службы",
		"ask": "Мы пишем вам о работах и авариях, которые касаются ваших серверов. Если вы откажетесь от писем, о них расскажут по другим каналам, " +
			"которые есть в вашей карточке: мессенджер, СМС, звонок.",
		"button":  "Больше не присылать писем",
		"done":    "Писем на этот адрес больше не будет. О важном расскажем по другим каналам.",
		"again":   "Присылать письма снова",
		"invalid": "Ссылка неверна или обрезана. Откройте её из письма целиком.",
		"away":    "Сейчас не получается записать. Попробуйте ещё раз через минуту.",
		"foreign": "Отказаться можно только на этой странице. Откройте ссылку из письма.",
	},
	inventory.English: {
		"title": "Mails from the duty team",
		"ask": "We write to you about planned work and outages that concern your servers. Without mails you will hear of them by the other channels " +
			"that we have of you: messenger, SMS, a call.",
		"button":  "Send me no more mails",
		"done":    "No more mails go to this address. What matters will reach you by the other channels.",
		"again":   "Send me mails again",
		"invalid": "This link is wrong or cut off. Please open it from the mail as a whole.",
		"away":    "This can't be recorded right now. Please try again in a minute.",
		"foreign": "This is possible on this page only. Please open the link in the mail.",
	},
}
