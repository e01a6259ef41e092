package workflows

import "strconv"

// agreed is a number with the words that go with it.
func agreed(n int, one, more string) string { return strconv.Itoa(n) + " " + form(n, one, more) }

// form is the word that goes with so many.
func form(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
