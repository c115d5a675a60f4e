package feedbackd

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// daemon is a real one in a folder of its own. It can be stopped and started again.
type daemon struct {
	t       *testing.T
	socket  string
	store   string
	options []string
	process *exec.Cmd
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	folder, err := os.MkdirTemp("", "feedbackd-go-")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{
		t:      t,
		socket: filepath.Join(folder, "socket"),
		store:  "sqlite:" + filepath.Join(folder, "feedback.db"),
	}
	t.Cleanup(func() {
		d.stop()
		os.RemoveAll(folder)
	})
	return d
}

func startDaemon(t *testing.T) *daemon {
	t.Helper()
	d := newDaemon(t)
	d.start()
	return d
}

// start returns when the daemon listens.
func (d *daemon) start() {
	d.t.Helper()
	program := os.Getenv("FEEDBACKD_PROGRAM")
	if program == "" {
		program = "../../.build/release/feedbackd"
	}
	d.process = exec.Command(program, append(d.options, "--socket", d.socket, "--store", d.store)...)
	output, err := d.process.StderrPipe()
	if err == nil {
		err = d.process.Start()
	}
	if err != nil {
		d.process = nil
		d.t.Fatalf("the daemon cannot be started: %v (FEEDBACKD_PROGRAM names another one)", err)
	}
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		if strings.Contains(line, "feedbackd: listening on ") {
			break
		}
		if err != nil {
			d.t.Fatal("the daemon ended before it listened: ", line)
		}
	}
	go io.Copy(io.Discard, lines)
}

func (d *daemon) stop() {
	if d.process == nil {
		return
	}
	d.process.Process.Signal(syscall.SIGTERM)
	if err := d.process.Wait(); err != nil {
		d.t.Error("the daemon did not stop in peace: ", err)
	}
	d.process = nil
}

// kill ends the daemon as a crash would.
func (d *daemon) kill() {
	d.process.Process.Kill()
	d.process.Wait()
	d.process = nil
}

// connections is how many clients are connected.
func (d *daemon) connections() int {
	d.t.Helper()
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		d.t.Fatal(err)
	}
	count := 0
	for _, line := range strings.Split(string(text), "\n") {
		// The sixth column is the socket's state (3: connected), the last its path.
		columns := strings.Fields(line)
		if len(columns) == 8 && columns[5] == "03" && columns[7] == d.socket {
			count++
		}
	}
	return count
}

func (d *daemon) client() *Client {
	return newTestClient(d.t, d.socket)
}

func newTestClient(t *testing.T, socket string) *Client {
	client := NewClient(socket)
	t.Cleanup(client.Close)
	return client
}

// relay stands between a client and a daemon.
type relay struct {
	socket      string
	connections atomic.Int32
	// How many replies are still to be lost: the connection is cut when they come.
	losses atomic.Int32
}

func startRelay(t *testing.T, d *daemon) *relay {
	t.Helper()
	r := &relay{socket: d.socket + "-relay"}
	serve(t, r.socket, func(caller net.Conn) {
		r.connections.Add(1)
		server, err := net.Dial("unix", d.socket)
		if err != nil {
			return
		}
		defer server.Close()
		go func() {
			io.Copy(server, caller)
			server.Close()
		}()
		bytes := make([]byte, 64<<10)
		for {
			count, err := server.Read(bytes)
			if err != nil || r.losses.Add(-1) >= 0 {
				return
			}
			caller.Write(bytes[:count])
		}
	})
	return r
}

// serve gives every connection to a goroutine of its own, until the test ends.
func serve(t *testing.T, socket string, handle func(net.Conn)) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var handlers sync.WaitGroup
	handlers.Add(1)
	go func() {
		defer handlers.Done()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handlers.Add(1)
			go func() {
				defer handlers.Done()
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		handlers.Wait()
	})
}

// within fails the test instead of hanging.
func within(t *testing.T, limit time.Duration, what string, body func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		body()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatal(what + " takes too long")
	}
}
