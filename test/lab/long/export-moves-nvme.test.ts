import { describeMoves } from "../export-moves.ts";

describeMoves(["nvme"]);
