#!/usr/bin/env -S MALLOC_ARENA_MAX=1 NODE_COMPILE_CACHE=/var/lib/ferrite/compiled node --max-semi-space-size=1
/** Entry of the bundle that is installed on every host: the agent's commands and nothing of the server. */
import { Command } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { addAgentCommands } from "./agent-commands.ts";

const program = new Command("ferrite-agent").version(packageJson.version);
addAgentCommands(program);
await program.parseAsync();
