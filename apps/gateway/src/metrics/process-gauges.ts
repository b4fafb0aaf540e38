import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, type Registry } from "@prometheus-io/client";

/** Creates the metrics of the process: event loop, memory, CPU, start time. */
export function createProcessGauges(registers: Registry[]): { refresh(): void; close(): void } {
  const resolutionMs = 10;
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const lag = new Gauge({
    name: "reinstate_event_loop_lag_seconds",
    help: "Longest delay of the event loop since the previous scrape",
    registers,
  });
  const memory = new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory of the process",
    registers,
  });
  const cpu = new Counter({ name: "process_cpu_seconds_total", help: "CPU time of the process", registers });
  const start = new Gauge({
    name: "process_start_time_seconds",
    help: "Start of the process, in seconds since 1970 UTC",
    registers,
  });
  start.set(Date.now() / 1000 - process.uptime());
  let cpuBefore = 0;
  return {
    refresh() {
      // Without a sample, the maximum is not a time.
      const longestMs = delay.count === 0 ? 0 : Math.max(0, delay.max / 1e6 - resolutionMs);
      lag.set(longestMs / 1000);
      delay.reset();
      memory.set(process.memoryUsage.rss());
      const { user, system } = process.cpuUsage();
      const cpuNow = (user + system) / 1e6;
      cpu.inc(Math.max(0, cpuNow - cpuBefore));
      cpuBefore = cpuNow;
    },
    close: () => void delay.disable(),
  };
}
