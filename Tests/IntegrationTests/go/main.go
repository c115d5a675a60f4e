// Foreign-client calls feedbackd with containerd's own ttrpc client, to show that the daemon speaks
// ttrpc as other implementations understand it, and not only as its own client does.
//
// Every subcommand exits with 0 when all was as the API promises. Otherwise it prints what was
// expected and what came, and exits with 1.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/sirupsen/logrus"
)

const usage = `usage: foreign-client SOCKET SUBCOMMAND
  all                       call every method and check every field of the replies
  errors                    provoke errors; check codes, messages and details
  deadline                  call with deadlines that pass, and cancel calls
  add SESSION N             add N feedbacks, print each feedback_id when it is acknowledged
  verify SESSION N          check that the session holds just what "add SESSION N" added
  load SESSION CONCURRENCY  add until the connection breaks or SIGTERM comes; print the
                            acknowledged as "ack REQUEST_ID FEEDBACK_ID"
  load-connections SESSION N
                            the same on N connections, one call at a time on each
  check-acks SESSION FILE   check that the session holds what those lines say, nothing twice
  parallel-connections N    one call on each of N connections at the same time
  parallel-calls N          N calls on one connection at the same time
`

// A subcommand is a function of the socket's path and the arguments after the subcommand's name.
type subcommand struct {
	arguments int
	run       func(socket string, arguments []string) error
}

var subcommands = map[string]subcommand{
	"all":              {0, onOneConnection(runAll)},
	"errors":           {0, onOneConnection(runErrors)},
	"deadline":         {0, onOneConnection(runDeadline)},
	"add":              {2, withCount(runAdd)},
	"verify":           {2, withCount(runVerify)},
	"load":             {2, withCount(runLoad)},
	"load-connections": {2, runLoadOnConnections},
	"check-acks":       {2, runCheckAcks},
	"parallel-connections": {1, func(socket string, arguments []string) error {
		return runParallel(socket, arguments[0], separateConnections)
	}},
	"parallel-calls": {1, func(socket string, arguments []string) error {
		return runParallel(socket, arguments[0], sharedConnection)
	}},
}

func main() {
	if len(os.Args) < 3 {
		exitWithUsage()
	}
	socket, name, arguments := os.Args[1], os.Args[2], os.Args[3:]
	command, known := subcommands[name]
	if !known || len(arguments) != command.arguments {
		exitWithUsage()
	}
	strays := &strayReplies{}
	logrus.AddHook(strays)
	err := command.run(socket, arguments)
	if err == nil {
		err = strays.result()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "foreign-client %s: %v\n", name, err)
		os.Exit(1)
	}
}

func exitWithUsage() {
	fmt.Fprint(os.Stderr, usage)
	os.Exit(64)
}

// onOneConnection makes a subcommand of steps that share one connection: an error in one of them
// must leave it usable for the next.
func onOneConnection(steps func(*tester)) func(string, []string) error {
	return func(socket string, _ []string) error {
		c, err := connect(socket)
		if err != nil {
			return err
		}
		defer c.close()
		t := &tester{client: c}
		steps(t)
		return t.result()
	}
}

// withCount makes a subcommand of a function that takes a session and a number.
func withCount(run func(c *client, session string, count int) error) func(string, []string) error {
	return func(socket string, arguments []string) error {
		count, err := parseCount(arguments[1])
		if err != nil {
			return err
		}
		c, err := connect(socket)
		if err != nil {
			return err
		}
		defer c.close()
		return run(c, arguments[0], count)
	}
}

func parseCount(text string) (int, error) {
	count, err := strconv.Atoi(text)
	if err != nil || count < 0 {
		return 0, fmt.Errorf("expected a number of 0 or more, got %q", text)
	}
	return count, nil
}
