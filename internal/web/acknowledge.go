package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"vakhta/internal/acklink"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
)

// Receipts is what the acknowledgement page reads and writes.
type Receipts interface {
	Notification(ctx context.Context, id string) (ledger.Notification, error)
	Superseded(ctx context.Context, n ledger.Notification) (bool, error)
	Acknowledge(ctx context.Context, codeOrID, via string, at time.Time) (n ledger.Notification, first bool, err error)
	Question(ctx context.Context, id string) (incident.Question, error)
}

// AckPage is the page on which a message is acknowledged. GET only shows: mail
// scanners follow links. POST, by the one button, records; again and again if
// need be.
type AckPage struct {
	Store  Receipts
	Signer acklink.Signer
	// Acknowledged is told of each acknowledgement, repeats included.
	Acknowledged func(ctx context.Context, n ledger.Notification)
	// Answered records an answer to the question that a notification asks.
	Answered func(ctx context.Context, n ledger.Notification, answer incident.Answer) error
	Now      func() time.Time
	Log      zerolog.Logger
}

// Register adds the page's routes.
func (a *AckPage) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /a/{token}", a.show)
	mux.HandleFunc("POST /a/{token}", a.record)
}

// ackView is what the page shows.
type ackView struct {
	Words      map[string]string
	Title      string
	Paragraphs []string
	Done       bool
	At         string
	Superseded bool
	Answers    []answerButton // of a question, instead of the one button
	Said       string         // what became of a question
}

type answerButton struct{ Value, Text string }

func (a *AckPage) show(w http.ResponseWriter, r *http.Request) {
	if n, ok := a.load(w, r); ok {
		a.render(w, r, http.StatusOK, n)
	}
}

func (a *AckPage) record(w http.ResponseWriter, r *http.Request) {
	// A form of a foreign page can't know the token; its browser would say so.
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" {
		a.refuse(w, r, http.StatusForbidden, "foreign")
		return
	}
	n, ok := a.load(w, r)
	if !ok {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxAnswer)
	answer := incident.Answer(r.PostFormValue("answer"))
	asks := message.TakesAnswer(n.Event)
	if asks && !slices.Contains(incident.Answers, answer) {
		a.refuse(w, r, http.StatusBadRequest, "which")
		return
	}
	n, first, err := a.Store.Acknowledge(r.Context(), n.ID, "page", a.Now().UTC())
	if err != nil {
		a.Log.Error().Err(err).Msg("acknowledgement not recorded")
		a.refuse(w, r, http.StatusServiceUnavailable, "away")
		return
	}
	if first {
		a.Log.Info().Str("notification", n.ID).Msg("acknowledged on the page")
	}
	if asks {
		if err := a.Answered(r.Context(), n, answer); err != nil {
			a.Log.Error().Err(err).Msg("answer not recorded")
			a.refuse(w, r, http.StatusServiceUnavailable, "away")
			return
		}
	} else if a.Acknowledged != nil {
		a.Acknowledged(r.Context(), n)
	}
	// See Other: reloading the answer does not post again.
	headers(w)
	http.Redirect(w, r, r.URL.EscapedPath(), http.StatusSeeOther)
}

// load finds the notification of a token. Whatever is wrong with a token, the
// answer is the same.
func (a *AckPage) load(w http.ResponseWriter, r *http.Request) (ledger.Notification, bool) {
	token := r.PathValue("token")
	id, err := acklink.Parse(token)
	if err != nil {
		a.refuse(w, r, http.StatusNotFound, "invalid")
		return ledger.Notification{}, false
	}
	n, err := a.Store.Notification(r.Context(), id)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && a.Signer.Verify(token, n.ID, n.Contact) != nil:
		a.refuse(w, r, http.StatusNotFound, "invalid")
		return ledger.Notification{}, false
	case err != nil:
		a.Log.Error().Err(err).Msg("notification not read")
		a.refuse(w, r, http.StatusServiceUnavailable, "away")
		return ledger.Notification{}, false
	}
	return n, true
}

func (a *AckPage) render(w http.ResponseWriter, r *http.Request, code int, n ledger.Notification) {
	words := ackWords[language(n.Language)]
	v := ackView{Words: words, Title: n.Title, Paragraphs: paragraphs(n.Body), Superseded: a.superseded(r.Context(), n)}
	if v.Title == "" {
		v.Title = words["title"]
	}
	if message.TakesAnswer(n.Event) {
		a.viewQuestion(r.Context(), n, &v)
	} else if !n.AcknowledgedAt.IsZero() {
		v.Done = true
		v.At = n.AcknowledgedAt.UTC().Format("02.01.2006 15:04 UTC")
	}
	show(w, a.Log, code, "acknowledge", page{Language: string(language(n.Language)), Title: v.Title, Bare: true, Content: v})
}

// maxAnswer is how long the form of a button may be.
const maxAnswer = 1 << 10

// viewQuestion shows the buttons of a question, or what became of it.
func (a *AckPage) viewQuestion(ctx context.Context, n ledger.Notification, v *ackView) {
	v.Superseded = false // a reminder asks the same
	lang := language(n.Language)
	id, _ := incident.QuestionOf(n.Subject, n.Step)
	q, err := a.Store.Question(ctx, id)
	switch {
	case err != nil:
		a.Log.Error().Err(err).Msg("question not read")
		v.Said = v.Words["away"]
	case q.Answer != "":
		v.Said = v.Words["answered"] + ": " + message.AnswerWord(string(q.Answer), lang)
		v.At = q.AnsweredAt.UTC().Format("02.01.2006 15:04 UTC")
	case !q.Open():
		v.Said = v.Words["withdrawn"]
	default:
		for _, answer := range incident.Answers {
			v.Answers = append(v.Answers, answerButton{string(answer), message.Capital(message.AnswerWord(string(answer), lang))})
		}
	}
}

// superseded reports whether the same contact was told something newer since.
func (a *AckPage) superseded(ctx context.Context, n ledger.Notification) bool {
	is, err := a.Store.Superseded(ctx, n)
	if err != nil {
		a.Log.Warn().Err(err).Msg("newer revisions not read")
	}
	return is
}

// refuse answers without a notification, in the reader's own language.
func (a *AckPage) refuse(w http.ResponseWriter, r *http.Request, code int, why string) {
	lang := readerLanguage(r)
	words := ackWords[lang]
	show(w, a.Log, code, "message", page{Language: string(lang), Title: words["title"], Bare: true, Content: words[why]})
}

// readerLanguage is what the reader's browser asks for.
func readerLanguage(r *http.Request) inventory.Language {
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "ru") {
		return inventory.Russian
	}
	return inventory.English
}

func language(l inventory.Language) inventory.Language {
	if _, ok := ackWords[l]; ok {
		return l
	}
	return inventory.English
}

// paragraphs splits a plain text where it has empty lines.
func paragraphs(text string) []string {
	var all []string
	for part := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

var ackWords = map[inventory.Language]map[string]string{
	inventory.Russian: {
		"title": "Подтверждение", "button": "Прочитано, подтверждаю",
		"ask":        "Нажмите кнопку, чтобы мы знали, что вы получили это сообщение.",
		"done":       "Спасибо, подтверждено",
		"superseded": "После этого сообщения мы отправили вам более новое. Пожалуйста, смотрите его.",
		"look":       "Посмотрите и нажмите одну из кнопок.",
		"answered":   "Ответ получен",
		"withdrawn":  "Вопрос снят, ответ больше не нужен. Спасибо.",
		"which":      "Ответ не понят. Откройте ссылку из сообщения и нажмите одну из кнопок.",
		"invalid":    "Ссылка неверна или обрезана. Откройте её из сообщения целиком.",
		"away":       "Сейчас не получается записать подтверждение. Попробуйте ещё раз через минуту.",
		"foreign":    "Подтвердить можно только на этой странице. Откройте ссылку из сообщения.",
	},
	inventory.English: {
		"title": "Acknowledgement", "button": "I have read this",
		"ask":        "Press the button so that we know that this message has reached you.",
		"done":       "Thank you, acknowledged",
		"superseded": "We have sent you newer information since this message. Please see it.",
		"look":       "Please look, then press one of the buttons.",
		"answered":   "We have the answer",
		"withdrawn":  "The question is withdrawn, the answer is not needed any more. Thank you.",
		"which":      "The answer was not understood. Open the link in the message and press one of the buttons.",
		"invalid":    "This link is wrong or cut off. Please open it from the message as a whole.",
		"away":       "The acknowledgement can't be recorded right now. Please try again in a minute.",
		"foreign":    "An acknowledgement is possible on this page only. Please open the link in the message.",
	},
}
