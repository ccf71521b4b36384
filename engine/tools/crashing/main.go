// Command crashing crashes as its argument says, so that tests of the log agent read what Go and gin themselves write.
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

type order struct{ shares map[string]int }

var crashes = map[string]func(){
	"index":     func() { fmt.Println([]int{1}[len(os.Args)]) },
	"nil":       func() { var one *order; one.shares["a"]++ },
	"again":     func() { defer func() { panic(fmt.Sprint("while undoing: ", recover())) }(); panic("the table did not answer") },
	"error":     func() { panic(fmt.Errorf("two lines:\nof one error")) },
	"goroutine": func() { go func() { panic("in the background") }(); time.Sleep(time.Minute) },
	"map":       func() { concurrent(map[int]int{}) },
	"deadlock":  func() { <-make(chan int) },
	"stack":     func() { fmt.Println(endless(0)) },
	"quit":      func() { _ = syscall.Kill(os.Getpid(), syscall.SIGQUIT); time.Sleep(time.Minute) },
	"http":      func() { served(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("in a handler") })) },
	"gin":       func() { gin.SetMode(gin.ReleaseMode); served(recovering(nil)) },
	"gin-debug": func() { served(recovering(nil)) },
	"gin-error": func() { gin.SetMode(gin.ReleaseMode); served(recovering(fmt.Errorf("the table did not answer"))) },
}

func endless(depth int) int { return endless(depth+1) + 1 }

func concurrent(shared map[int]int) {
	for writer := range 8 {
		go func() {
			for {
				shared[writer]++
			}
		}()
	}
	time.Sleep(time.Minute)
}

func recovering(failure error) http.Handler {
	engine := gin.New()
	engine.Use(gin.Recovery())
	engine.GET("/orders", func(*gin.Context) {
		if failure != nil {
			panic(failure)
		}
		var one *order
		one.shares["a"]++
	})
	return engine
}

// served has a handler asked once by a client of this process.
func served(handler http.Handler) {
	server := httptest.NewServer(handler)
	defer server.Close()
	if answer, err := http.Get(server.URL + "/orders"); err == nil {
		_ = answer.Body.Close()
	}
}

func main() {
	crash, known := crashes[os.Args[1]]
	if !known {
		for name := range crashes {
			fmt.Println(name)
		}
		return
	}
	crash()
}
