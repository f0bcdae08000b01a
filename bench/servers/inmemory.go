// A simple in-memory status server for the benchmark: a map, a mutex, and the same three paths. It
// keeps nothing on disk.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"sync"
	"time"
)

type file struct {
	Name string `json:"name"`
}

type status struct {
	Repo       string `json:"repo"`
	Server     string `json:"server"`
	SyncStatus string `json:"sync_status"`
	DriftCount int    `json:"drift_count"`
	Files      []file `json:"files"`
	LastCheck  string `json:"last_check"`
	UpdatedAt  string `json:"updated_at"`
}

type board struct {
	mutex    sync.RWMutex
	statuses map[string]status
}

func (b *board) record(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	var update status
	if err := json.NewDecoder(r.Body).Decode(&update); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if update.SyncStatus != "SYNCED" && update.SyncStatus != "OUT_OF_SYNC" {
		http.Error(w, "sync_status must be SYNCED or OUT_OF_SYNC", http.StatusBadRequest)
		return
	}
	update.UpdatedAt = time.Now().UTC().Format(time.RFC3339)
	key := update.Repo + ":" + update.Server
	b.mutex.Lock()
	b.statuses[key] = update
	b.mutex.Unlock()
	log.Printf("%s is %s, %d files", key, update.SyncStatus, update.DriftCount)
	answer(w, map[string]string{"status": "ok", "message": "Status updated successfully"})
}

func (b *board) list(w http.ResponseWriter, _ *http.Request) {
	b.mutex.RLock()
	statuses := make([]status, 0, len(b.statuses))
	for _, each := range b.statuses {
		statuses = append(statuses, each)
	}
	b.mutex.RUnlock()
	answer(w, statuses)
}

func (b *board) health(w http.ResponseWriter, _ *http.Request) {
	b.mutex.RLock()
	count := len(b.statuses)
	b.mutex.RUnlock()
	answer(w, map[string]any{
		"status":        "healthy",
		"timestamp":     time.Now().UTC().Format(time.RFC3339),
		"tracked_repos": count,
	})
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Print(err)
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	flag.Parse()
	b := &board{statuses: map[string]status{}}
	http.HandleFunc("/api/status", b.record)
	http.HandleFunc("/status.json", b.list)
	http.HandleFunc("/health", b.health)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
