import * as fc from "fast-check";

// One run of the tests is like the next; `TEST_SEED=random` looks elsewhere, and a failure says with which seed.
const given = process.env.TEST_SEED ?? "1";
fc.configureGlobal(given === "random" ? {} : { seed: Number(given) });
