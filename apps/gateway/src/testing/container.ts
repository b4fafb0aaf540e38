import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findBubblewrap } from "@reinstate/tooling/services";

/** One instruction of a container file. */
export interface Instruction {
  word: string;
  text: string;
}

/** A stage of a container file, which begins with FROM. */
export interface Stage {
  from: string;
  name: string | undefined;
  instructions: Instruction[];
}

/** Reads the stages of a container file. */
export function parseContainerfile(file: string): Stage[] {
  const lines = file.replace(/\\\n/g, " ").split("\n");
  const stages: Stage[] = [];
  for (const line of lines) {
    const [, word = "", text = ""] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (word === "FROM") {
      const [from = "", , name] = text.split(/\s+/);
      stages.push({ from, name, instructions: [] });
    } else if (word !== "") stages.at(-1)?.instructions.push({ word, text });
  }
  return stages;
}

const isRoot = process.getuid?.() === 0;
const owner = 10_001;

/** The read-only system of the base image, which is that of this machine with the Node of this process. */
function systemArgs(): string[] {
  const links = ["/bin", "/sbin", "/lib", "/lib64"].filter((path) => existsSync(path));
  return [
    ...["--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc", "--proc", "/proc", "--dev", "/dev"],
    ...links.flatMap((path) =>
      lstatSync(path).isSymbolicLink() ? ["--symlink", `usr${path}`, path] : ["--ro-bind", path, path],
    ),
    ...["--ro-bind", process.execPath, "/node/node", "--die-with-parent"],
  ];
}

const path = "/node:/usr/local/bin:/usr/bin:/bin";

/** The result of the container file: the folder of its root, and how its command runs. */
export interface BuiltImage extends Disposable {
  folder: string;
  env: Record<string, string>;
  user: string;
  workdir: string;
  volumes: string[];
  healthcheck: string[];
  command: string[];
}

/** Performs the COPY and RUN instructions of a container file in a folder, as an image builder does. */
export function buildImage(root: string, file: string): BuiltImage {
  const folder = mkdtempSync(join(tmpdir(), "reinstate-image-"));
  chmodSync(folder, 0o755);
  const folders = new Map<string, string>();
  const stages = parseContainerfile(file);
  for (const [index, stage] of stages.entries()) {
    const own = join(folder, String(index));
    mkdirSync(own);
    folders.set(stage.name ?? String(index), own);
    let workdir = "/";
    for (const { word, text } of stage.instructions) {
      if (word === "WORKDIR") workdir = text;
      if (word === "COPY") copy(root, own, workdir, text, folders);
      if (word === "RUN") run(own, workdir, text, stages);
    }
  }
  return {
    ...readCommand(stages.at(-1) as Stage),
    folder: join(folder, String(stages.length - 1)),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function copy(root: string, own: string, workdir: string, text: string, folders: Map<string, string>): void {
  const words = text.split(/\s+/);
  const from = words.find((word) => word.startsWith("--from="))?.slice("--from=".length);
  const chown = words.find((word) => word.startsWith("--chown="))?.slice("--chown=".length);
  const [source = "", target = ""] = words.filter((word) => !word.startsWith("--"));
  const to = join(own, target.startsWith("/") ? target : join(workdir, target));
  mkdirSync(to, { recursive: true });
  if (from !== undefined) {
    cpSync(join(folders.get(from) as string, source), to, { recursive: true, preserveTimestamps: true });
    chmodSync(to, lstatSync(join(folders.get(from) as string, source)).mode);
  } else {
    // The ignore file leaves exactly the files of the repository.
    const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
    for (const name of files.toString().split("\0")) {
      if (name === "" || !existsSync(join(root, name))) continue;
      mkdirSync(dirname(join(to, name)), { recursive: true });
      cpSync(join(root, name), join(to, name));
    }
  }
  if (chown !== undefined && isRoot) execFileSync("chown", ["-R", chown, to]);
}

/** Runs a command of the build. Its root has the folders that the file names; the caches of the package manager are those of the user. */
function run(own: string, workdir: string, command: string, stages: readonly Stage[]): void {
  const text = stages.flatMap(({ instructions }) => instructions.map((one) => one.text)).join(" ");
  const tops = new Set([...text.matchAll(/(?:^|\s)\/(\w+)/g)].map(([, name]) => name as string));
  const binds = [...tops].filter((name) => !existsSync(`/${name}`) || ["app", "data", "source"].includes(name));
  for (const name of binds) mkdirSync(join(own, name), { recursive: true });
  const home = homedir();
  const args = [
    ...systemArgs(),
    ...["--bind", home, home, "--bind", tmpdir(), tmpdir(), "--chdir", workdir],
    ...binds.flatMap((name) => ["--bind", join(own, name), `/${name}`]),
    // A user without privileges cannot give files away, and its own files are those of the image's user.
    ...["bash", "-c", isRoot ? command : command.replace(/ -[og] \d+/g, "")],
  ];
  const env = { PATH: path, HOME: home, TMPDIR: tmpdir(), CI: "1" };
  const { status, stdout, stderr } = spawnSync(findBubblewrap(), args, { env, encoding: "utf8", maxBuffer: 1e8 });
  if (status !== 0)
    throw new Error(`RUN ${command} ended with ${status}: ${stdout.slice(-3000)}${stderr.slice(-3000)}`);
}

function readCommand({ instructions }: Stage) {
  const all = (word: string) => instructions.filter((one) => one.word === word).map(({ text }) => text);
  const list = (text = "[]") => JSON.parse(text.slice(text.indexOf("["))) as string[];
  return {
    env: Object.fromEntries(all("ENV").map((text) => text.split("=", 2) as [string, string])),
    user: all("USER").at(-1) ?? "0",
    workdir: all("WORKDIR").at(-1) ?? "/",
    volumes: all("VOLUME").flatMap(list),
    healthcheck: list(all("HEALTHCHECK").at(-1)),
    command: [...list(all("ENTRYPOINT").at(-1)), ...list(all("CMD").at(-1))],
  };
}

/** A command in a container. */
export interface Contained {
  child: ChildProcess;
  output(): string;
  exited: Promise<number | null>;
  /** Sends a signal to the command itself, which is process 1 of its container. */
  kill(signal: NodeJS.Signals): void;
}

/** Runs a command in the built image: read-only root, writable volumes alone, the image's user, no capabilities. */
export function runContained(
  image: BuiltImage,
  command: readonly string[],
  env: Record<string, string> = {},
): Contained {
  const asUser = isRoot
    ? ["setpriv", `--reuid=${owner}`, `--regid=${owner}`, "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    : [];
  const args = [
    ...systemArgs(),
    ...["--ro-bind", join(image.folder, "app"), "/app"],
    ...image.volumes.flatMap((volume) => ["--bind", join(image.folder, volume), volume]),
    ...["--chdir", image.workdir, "--remount-ro", "/", "--unshare-pid", "--as-pid-1", "--info-fd", "3"],
    ...(isRoot ? [] : ["--unshare-user", "--uid", String(owner), "--gid", String(owner)]),
    ...asUser,
    ...command,
  ];
  const child = spawn(findBubblewrap(), args, {
    env: { PATH: path, ...image.env, ...env },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let text = "";
  let info = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (part: Buffer) => (text += part.toString()));
  child.stdio[3]?.on("data", (part: Buffer) => (info += part.toString()));
  return {
    child,
    output: () => text,
    exited: new Promise((resolve) => child.once("exit", (status) => resolve(status))),
    kill: (signal) => void process.kill((JSON.parse(info) as { "child-pid": number })["child-pid"], signal),
  };
}
